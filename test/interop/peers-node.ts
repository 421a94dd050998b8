/** A Holdfast peers section in the test's own process, from the same text that HAProxy is given. */
import { readFileSync } from 'node:fs';
import { loadConfiguration } from '../../lib/config/index.js';
import { IpAddress } from '../../lib/core/address.js';
import { systemClock } from '../../lib/core/clock.js';
import { Diagnostics, formatDiagnostic } from '../../lib/core/diagnostics.js';
import { RunningPeers } from '../../lib/peers/running-peers.js';
import { parseKeyText } from '../../lib/stick-table/key.js';
import { StickTable, type TableKey } from '../../lib/stick-table/table.js';
import type { RunningHaproxy } from '../fixtures/interop.js';

export class HoldfastNode {
	readonly name: string;
	readonly tables = new Map<string, StickTable>();
	readonly peers: RunningPeers;
	readonly log: string[] = [];

	constructor(name: string, text: string, hasOldProcess = false, predecessor?: HoldfastNode) {
		this.name = name;
		const diagnostics = new Diagnostics();
		const model = loadConfiguration(
			{
				files: [{ path: 'test.cfg', content: text }],
				arguments: { localpeer: name },
				hostName: 'unused',
				cores: 1,
				readFile: (path) => readFileSync(path, 'latin1'),
			},
			diagnostics,
		);
		const section = model?.peers[0];
		if (model === undefined || section === undefined) {
			throw new Error(diagnostics.list.map((item) => formatDiagnostic(item, 1)).join('\n'));
		}
		const models = [
			...section.tables,
			...model.proxies.flatMap(({ stickTable }) => (stickTable?.peers === section.name ? [stickTable] : [])),
		];
		for (const each of models) {
			const buffer = predecessor?.tables.get(each.name)?.buffer ?? StickTable.allocate(each);
			this.tables.set(each.name, new StickTable(each, buffer));
		}
		const note = (line: string): void => {
			this.log.push(line);
		};
		this.peers = new RunningPeers({
			model: section,
			localName: name,
			tables: [...this.tables.values()],
			hasOldProcess,
			predecessor: predecessor?.peers,
			log: { info: note, warn: note },
		});
	}

	async start(): Promise<this> {
		await this.peers.start();
		return this;
	}

	table(name: string): StickTable {
		return this.tables.get(name)!;
	}

	/** `set table`, with `type` or `type[index]` for each value. */
	set(tableName: string, key: string, values: Readonly<Record<string, number | bigint | string>>): void {
		const table = this.table(tableName);
		const sample =
			table.model.keyType === 'binary' ? Buffer.from(key, 'latin1') : parseKeyText(table.model.keyType, key);
		for (const [name, value] of Object.entries(values)) {
			const match = /^([a-z_0-9]+?)(?:\[(\d+)\])?$/.exec(name)!;
			if (typeof value === 'string') {
				table.storeServer(sample!, 1, value, systemClock.monotonicMs());
				continue;
			}
			const slot = table.slot(match[1]!)!;
			table.setByKey(sample!, slot, Number(match[2] ?? 0), value, systemClock.monotonicMs());
		}
	}

	/** Entries in the words of `show table`, without pointer, use, expiry and shard. */
	dump(tableName: string): Map<string, Record<string, string>> {
		const table = this.table(tableName);
		const entries = new Map<string, Record<string, string>>();
		const nowMs = systemClock.monotonicMs();
		for (const view of table.entries(nowMs)) {
			const values: Record<string, string> = {};
			for (const slot of view.slots) {
				for (let index = 0; index < slot.count; index++) {
					const name = slot.isArray ? slot.type.replace(/^[a-z]+/, (word) => word + index) : slot.type;
					const label = slot.isRate ? `${name}(${slot.periodMs})` : name;
					values[label] =
						slot.class === 'string'
							? view.serverKeyText || '-'
							: String(view.value(slot, index) instanceof Object ? view.reading(slot, index) : view.value(slot, index));
				}
			}
			values.exp = String(view.remainingMs ?? 0);
			entries.set(keyText(view.key), values);
		}
		return entries;
	}

	peer(name: string) {
		return this.peers.section.peers.find((peer) => peer.name === name)!;
	}

	protocolErrors(): number {
		return this.peers.section.peers.reduce((sum, peer) => sum + peer.protocolErrors, 0);
	}

	close(): void {
		this.peers.close();
	}
}

/** As HAProxy prints keys. */
function keyText(key: TableKey): string {
	if (key instanceof IpAddress || typeof key === 'number') return String(key);
	if (typeof key !== 'string') return key.toString('hex').toUpperCase();
	return key
		.replace(/[ =\\]/g, '\\$&')
		.replace(/[^ -~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** The same of HAProxy's `show table`. */
export async function haproxyDump(
	haproxy: RunningHaproxy,
	table: string,
): Promise<Map<string, Record<string, string>>> {
	const entries = new Map<string, Record<string, string>>();
	for (const line of (await haproxy.cli(`show table ${table}`)).split('\n')) {
		const match = /^0x[0-9a-f]+: key=((?:\\.|[^ \\])*) use=\d+ (.*)$/.exec(line);
		if (match === null) continue;
		const values: Record<string, string> = {};
		for (const item of match[2]!.split(' ')) {
			const equals = item.indexOf('=');
			values[item.slice(0, equals)] = item.slice(equals + 1);
		}
		delete values.shard;
		entries.set(match[1]!, values);
	}
	return entries;
}

/** `proto_err` of all peers of HAProxy. */
export async function haproxyProtocolErrors(haproxy: RunningHaproxy): Promise<number> {
	const found = [...(await haproxy.cli('show peers')).matchAll(/proto_err=(\d+)/g)];
	return found.reduce((sum, match) => sum + Number(match[1]), 0);
}
