/** Names in the model that must lead somewhere: backends, tables, peers sections, servers. */
import { type Diagnostics, didYouMean, type Place } from '../core/diagnostics.js';
import type { ConfigModel, Line, ProxyModel, StickTableModel } from './model.js';

const at = (place: Place): string => `${place.file}:${place.line}`;

/** With `tableRefused` some table is missing only because its line was refused, so uses are not looked at. */
export function checkReferences(model: ConfigModel, diagnostics: Diagnostics, tableRefused: boolean): void {
	const backends = new Map<string, ProxyModel>();
	for (const proxy of model.proxies) if (proxy.kind !== 'frontend') backends.set(proxy.name, proxy);
	for (const proxy of model.proxies) {
		if (proxy.disabled) continue;
		checkBackends(proxy, backends, diagnostics);
		checkUseServers(proxy, diagnostics);
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

/** The table a rule names in plain words: the last `table <name>` before its condition. */
function namedTable(words: readonly string[]): string | undefined {
	const condition = words.findIndex((word) => word === 'if' || word === 'unless');
	const before = condition === -1 ? words : words.slice(0, condition);
	const index = before.lastIndexOf('table');
	return index < 1 ? undefined : before[index + 1];
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
	if (tableRefused) return;
	for (const proxy of model.proxies) {
		if (!proxy.disabled) checkTableUses(proxy, tables, diagnostics);
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

function checkTableUses(
	proxy: ProxyModel,
	tables: ReadonlyMap<string, StickTableModel>,
	diagnostics: Diagnostics,
): void {
	const tracking: readonly Line[] = [
		...proxy.tcpRequestConnection,
		...proxy.tcpRequestSession,
		...proxy.tcpRequestContent,
		...proxy.tcpResponseContent,
		...proxy.httpRequest,
		...proxy.httpResponse,
		...(proxy.inheritedRules?.httpRequest ?? []),
	].filter((line) => /^track-sc/.test(line.words[0] ?? ''));
	for (const line of [...tracking, ...proxy.stickRules]) {
		const name = namedTable(line.words);
		if (name === undefined || name === '') {
			if (name === undefined && proxy.stickTable === undefined) {
				diagnostics.alert(
					line.place,
					`Proxy '${proxy.name}': '${line.words[0]}' has no 'table' and there is no stick-table in this ${proxy.kind}.`,
				);
			}
			continue;
		}
		if (tables.has(name)) continue;
		diagnostics.alert(
			line.place,
			`Proxy '${proxy.name}': unable to find stick-table '${name}'${didYouMean(name, tables.keys())}`,
		);
	}
}
