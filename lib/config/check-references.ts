/**
 * Names in the model that must lead somewhere: backends, peers sections, servers, tables of `write-to`. Tables
 * that rules and expressions name are looked for by those who compile them.
 */
import { type Diagnostics, didYouMean, type Place } from '../core/diagnostics.js';
import type { ConfigModel, ProxyModel, StickTableModel } from './model.js';
import { isServiceName } from './resolvers-model.js';

const at = (place: Place): string => `${place.file}:${place.line}`;

/** With `tableRefused` some table is missing only because its line was refused: that is then no news. */
export function checkReferences(model: ConfigModel, diagnostics: Diagnostics, tableRefused: boolean): void {
	const backends = new Map<string, ProxyModel>();
	for (const proxy of model.proxies) if (proxy.kind !== 'frontend') backends.set(proxy.name, proxy);
	for (const proxy of model.proxies) {
		if (proxy.disabled) continue;
		checkBackends(proxy, backends, diagnostics);
		checkUseServers(proxy, diagnostics);
		checkResolvers(proxy, model, diagnostics);
	}
	checkTables(model, diagnostics, tableRefused);
}

/** A name with a `%` is a log format, whose value is only known per request. */
const isPlainName = (name: string): boolean => !name.includes('%');

function checkBackends(proxy: ProxyModel, backends: ReadonlyMap<string, ProxyModel>, diagnostics: Diagnostics): void {
	const references = [
		...(proxy.defaultBackend === undefined ? [] : [{ ...proxy.defaultBackend, rule: 'default_backend' }]),
		...proxy.useBackends
			.filter((line) => isPlainName(line.words[0] ?? ''))
			.map((line) => ({ place: line.place, name: line.words[0] ?? '', rule: 'use_backend' })),
	];
	for (const { place, name, rule } of references) {
		const target = backends.get(name);
		if (target === undefined) {
			diagnostics.alert(
				place,
				`Proxy '${proxy.name}': unable to find required ${rule}: '${name}'${didYouMean(name, backends.keys())}`,
			);
		} else if (proxy.mode === 'http' && target.mode === 'tcp') {
			diagnostics.alert(
				place,
				`http ${proxy.kind} '${proxy.name}' (${at(proxy.place)}) tries to use incompatible tcp ${target.kind} '${name}' (${at(target.place)}) in a '${rule}' rule (see 'mode').`,
			);
		}
	}
}

function checkUseServers(proxy: ProxyModel, diagnostics: Diagnostics): void {
	const names = proxy.servers.map((server) => server.name);
	for (const line of proxy.useServers) {
		const name = line.words[0] ?? '';
		if (!isPlainName(name) || names.includes(name)) continue;
		diagnostics.alert(
			line.place,
			`${proxy.kind} '${proxy.name}' : unable to find server '${name}' referenced in a 'use-server' rule${didYouMean(name, names)}`,
		);
	}
}

function checkResolvers(proxy: ProxyModel, model: ConfigModel, diagnostics: Diagnostics): void {
	const names = model.resolvers.map(({ name }) => name);
	for (const { place, name, address, resolution } of proxy.servers) {
		const { resolvers } = resolution;
		if (resolvers === undefined) {
			if (address.kind !== 'name' || !isServiceName(address.host)) continue;
			diagnostics.alert(place, `'server ${name}' : SRV record '${address.host}' needs 'resolvers'.`);
		} else if (!names.includes(resolvers)) {
			diagnostics.alert(
				place,
				`${proxy.kind} '${proxy.name}', server '${name}': unable to find required resolvers '${resolvers}'${didYouMean(resolvers, names)}`,
			);
		}
	}
}

function checkTables(model: ConfigModel, diagnostics: Diagnostics, tableRefused: boolean): void {
	const tables = new Map<string, StickTableModel>();
	const declared = [
		...model.proxies.flatMap((proxy) => proxy.stickTable ?? []),
		...model.peers.flatMap((section) => section.tables),
	];
	for (const table of declared) {
		const twin = tables.get(table.name);
		if (twin === undefined) tables.set(table.name, table);
		else {
			diagnostics.alert(
				table.place,
				`stick-table name '${table.name}' conflicts with table declared at ${at(twin.place)}.`,
			);
		}
	}
	const sections = model.peers.map((section) => section.name);
	for (const table of declared) {
		if (table.peers !== undefined && !sections.includes(table.peers)) {
			diagnostics.alert(
				table.place,
				`unable to find sync peers '${table.peers}' of stick-table '${table.name}'${didYouMean(table.peers, sections)}`,
			);
		}
		if (table.writeTo !== undefined && !tableRefused) checkWriteTo(table, table.writeTo, tables, diagnostics);
	}
}

function checkWriteTo(
	table: StickTableModel,
	name: string,
	tables: ReadonlyMap<string, StickTableModel>,
	diagnostics: Diagnostics,
): void {
	const target = tables.get(name);
	const say = (text: string): void => diagnostics.alert(table.place, `stick-table '${table.name}': ${text}`);
	if (target === undefined) say(`unable to find table '${name}' of 'write-to'${didYouMean(name, tables.keys())}`);
	else if (target === table) say(`'write-to' cannot name the table itself.`);
	else if (target.writeTo !== undefined) say(`table '${name}' of 'write-to' has a 'write-to' itself.`);
	else if (target.keyType !== table.keyType || target.keyLengthBytes !== table.keyLengthBytes) {
		say(`table '${name}' of 'write-to' has keys of another type or length.`);
	}
}
