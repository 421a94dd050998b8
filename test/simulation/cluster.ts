/** Nodes of the real section and session code on a virtual network, and what must be true of them in the end. */
import type { ColumnSpec } from '../../lib/peers/entry-record.js';
import type { PeerConfig } from '../../lib/peers/peer.js';
import { PeersSection } from '../../lib/peers/section.js';
import { MemoryTable } from '../peers/memory-table.js';
import { VirtualNetwork } from './virtual-network.js';
import { Chance, VirtualTime } from './virtual-time.js';

/** server_id, gpc0, conn_cur, http_req_rate(10s), bytes_in_cnt, server_key, gpc(3). */
export const COLUMNS: readonly ColumnSpec[] = [
	{ typeId: 0 },
	{ typeId: 6 },
	{ typeId: 9 },
	{ typeId: 10, periodMs: 10_000 },
	{ typeId: 13 },
	{ typeId: 19 },
	{ typeId: 23, count: 3 },
];

export interface NodeOptions {
	readonly hasOldProcess?: boolean;
	readonly expireMs?: number | undefined;
	readonly firstId?: number;
	readonly columns?: readonly ColumnSpec[];
	readonly tableNames?: readonly string[];
	readonly shards?: number;
	readonly sourceCheck?: boolean;
	readonly tableSize?: number;
}

export class SimulatedNode {
	readonly name: string;
	readonly section: PeersSection;
	readonly tables: readonly MemoryTable[];
	readonly log: string[] = [];
	isAlive = true;

	constructor(cluster: Cluster, name: string, peers: readonly PeerConfig[], options: NodeOptions) {
		this.name = name;
		const { time, chance, network } = cluster;
		// Machines were not started at the same moment; some clocks are about to wrap.
		const clock = time.clock(chance.pick([0, 123_457, 2 ** 32 - 30_000, 2 ** 40]));
		const defer = (callback: () => void): void => {
			time.after(0, callback);
		};
		this.tables = (options.tableNames ?? ['t']).map(
			(tableName) =>
				new MemoryTable({
					name: tableName,
					columns: options.columns ?? COLUMNS,
					expireMs: options.expireMs,
					size: options.tableSize,
					clock,
					defer,
					firstId: options.firstId,
				}),
		);
		const note = (text: string): void => {
			this.log.push(`${Math.round(time.nowMs)} ${name}: ${text}`);
		};
		this.section = new PeersSection({
			name: 'mypeers',
			localName: name,
			peers: peers.map((peer) => ({ ...peer, isLocal: peer.name === name })),
			tables: this.tables,
			shards: options.shards ?? 0,
			sourceCheck: options.sourceCheck ?? false,
			isDisabled: false,
			hasOldProcess: options.hasOldProcess ?? false,
			pid: 1,
			clock,
			random: () => chance.fraction(),
			defer,
			network: network.for(name),
			log: { info: note, warn: note },
		});
		network.listen(name, this.section);
		this.section.start();
	}

	get table(): MemoryTable {
		return this.tables[0]!;
	}
}

export class Cluster {
	readonly time = new VirtualTime();
	readonly chance: Chance;
	readonly network: VirtualNetwork;
	readonly nodes = new Map<string, SimulatedNode>();
	readonly options: NodeOptions;
	readonly #peers: readonly PeerConfig[];

	constructor(names: readonly string[], seed: number, options: NodeOptions = {}, shardOf: Record<string, number> = {}) {
		this.chance = new Chance(seed);
		this.network = new VirtualNetwork(this.time, this.chance);
		this.options = options;
		this.#peers = names.map((name) => ({
			name,
			address: { kind: 'name', host: name, family: undefined, port: 1024 },
			isLocal: false,
			shard: shardOf[name] ?? 0,
			isDisabled: false,
		}));
		for (const name of names) this.startNode(name);
	}

	startNode(name: string, options: NodeOptions = this.options): SimulatedNode {
		const node = new SimulatedNode(this, name, this.#peers, options);
		this.nodes.set(name, node);
		return node;
	}

	/** The process dies and a new one starts, knowing nothing. */
	restartNode(name: string): SimulatedNode {
		const old = this.node(name);
		old.isAlive = false;
		this.network.crash(name);
		old.section.close();
		return this.startNode(name);
	}

	node(name: string): SimulatedNode {
		return this.nodes.get(name)!;
	}

	run(ms: number): void {
		this.time.runUntil(this.time.nowMs + ms);
	}

	stop(): void {
		for (const node of this.nodes.values()) node.section.close();
	}

	/**
	 * Compares all nodes with the first, entry by entry. Entries about to expire are left out: a copy was
	 * refreshed when it arrived, a little later than the original. `conn_cur` belongs to each node alone.
	 */
	differences(slackMs = 3000): string[] {
		const [first, ...others] = [...this.nodes.values()];
		const found: string[] = [];
		if (first === undefined) return found;
		for (const other of others) {
			for (const [index, table] of first.tables.entries()) {
				const twin = other.tables[index]!;
				const keys = new Set([...table.live(), ...twin.live()].map(({ key }) => key));
				for (const key of keys) {
					const ends = [table, twin].map((each) => each.entries.get(key));
					const lives = ends.map((entry, i) => this.#lifeMs([first, other][i]!, entry?.expiresAtMs));
					if (lives.some((lifeMs) => lifeMs < slackMs)) continue;
					const values = [table.values(key), twin.values(key)];
					// The protocol has no way to say that an entry lost its server_key (section 8.4).
					if (values.some((each) => each?.server_key === undefined)) for (const each of values) delete each?.server_key;
					const [a, b] = values.map(comparable);
					if (a !== b) found.push(`${key} of ${table.name}: ${first.name} has ${a}, ${other.name} has ${b}`);
				}
			}
		}
		return found;
	}

	/** What remains of an entry's life; for one that is gone, what remains of its twin's decides. */
	#lifeMs(_node: SimulatedNode, expiresAtMs: number | undefined): number {
		return expiresAtMs === undefined ? Number.POSITIVE_INFINITY : expiresAtMs - _node.section.clock.monotonicMs();
	}

	protocolErrors(): number {
		let sum = 0;
		for (const { section } of this.nodes.values()) for (const peer of section.peers) sum += peer.protocolErrors;
		return sum;
	}
}

/** Rates begin a little earlier or later on another node: whole seconds are compared, counts exactly. */
function comparable(values: Record<string, unknown> | undefined): string {
	if (values === undefined) return 'nothing';
	const { conn_cur: _own, ...rest } = values;
	return JSON.stringify(rest, (name, value) => (name === 'http_req_rate' ? (value as number[]).slice(1) : value));
}
