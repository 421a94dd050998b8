/**
 * Load balancers that sum, on the virtual network: real sections, sessions, shares and stick tables. A node
 * counts requests in its own table; what every node's sum must be is known from what was counted.
 */
import { Aggregation } from '../../lib/aggregate/aggregation.js';
import type { StickTableModel } from '../../lib/config/model.js';
import type { Clock } from '../../lib/core/clock.js';
import type { PeerConfig } from '../../lib/peers/peer.js';
import { PeersSection } from '../../lib/peers/section.js';
import { UPDATE_SIGNAL } from '../../lib/stick-table/layout.js';
import { SumTable } from '../../lib/stick-table/sum-table.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { VirtualNetwork } from './virtual-network.js';
import { Chance, VirtualTime } from './virtual-time.js';

export const stored = (type: string, periodMs?: number, count?: number) => ({ type, periodMs, count });

const PLACE = { file: 'simulation', line: 1 };

export function tableModel(name: string, changes: Partial<StickTableModel> = {}): StickTableModel {
	return {
		place: PLACE,
		name,
		keyType: 'string',
		keyLengthBytes: 16,
		size: 64,
		expireMs: undefined,
		nopurge: false,
		recvOnly: false,
		writeTo: undefined,
		srvkey: 'name',
		store: [
			stored('gpt0'),
			stored('conn_cur'),
			stored('http_req_cnt'),
			stored('http_req_rate', 10_000),
			stored('bytes_in_cnt'),
		],
		bratesFactor: 1,
		peers: undefined,
		...changes,
	};
}

export class SummingNode {
	readonly name: string;
	readonly section: PeersSection;
	readonly aggregation: Aggregation;
	readonly own: StickTable;
	readonly sum: SumTable;
	readonly clock: Clock;
	readonly log: string[] = [];
	/** Its process has died, or its section was replaced by a reload. */
	isOver = false;
	readonly #waiting = new Map<SharedArrayBuffer, Set<() => void>>();
	readonly #cluster: SummingCluster;

	/** `hasOldProcess`: one of this name is about to teach it as its local peer. */
	constructor(cluster: SummingCluster, name: string, former?: SummingNode, hasOldProcess = false) {
		this.name = name;
		this.#cluster = cluster;
		const { time, chance, network, model } = cluster;
		this.clock = former?.clock ?? time.clock(chance.pick([0, 123_457, 2 ** 32 - 30_000, 2 ** 40]));
		const defer = (callback: () => void): void => {
			time.after(0, callback);
		};
		this.own = former?.own ?? new StickTable(model, StickTable.allocate(model));
		const sumModel = { ...model, name: 'p/req.sum', sumOf: model.name };
		this.sum = former?.sum ?? new SumTable(sumModel, StickTable.allocate(sumModel), this.own);
		const note = (text: string): void => {
			this.log.push(`${Math.round(time.nowMs)} ${name}: ${text}`);
		};
		this.aggregation = new Aggregation({
			name: 'sums',
			sums: [{ place: PLACE, from: '.local', to: '.sum' }],
			levels: new Map(),
			tables: [{ own: this.own, target: this.sum.remote() }],
			localName: name,
			predecessor: former?.aggregation,
			clock: this.clock,
			defer,
			log: { info: note, warn: note },
			waitForSignal: (table, callback) => this.#wait(table, callback),
		});
		this.section = new PeersSection({
			name: 'p',
			localName: name,
			peers: cluster.peers.map((peer) => ({ ...peer, isLocal: peer.name === name })),
			tables: [],
			shards: 0,
			sourceCheck: false,
			isDisabled: false,
			hasOldProcess,
			predecessor: former?.section,
			pid: 1,
			clock: this.clock,
			random: () => chance.fraction(),
			defer,
			network: network.for(name),
			log: { info: note, warn: note },
			aggregator: (section) => this.aggregation.attach(section),
		});
		network.listen(name, this.section);
		this.section.start();
	}

	/** Requests wake at once; what the control thread itself adds to a table is found soon after. */
	#wait({ buffer }: StickTable, callback: () => void): void {
		const { time } = this.#cluster;
		if (new Int32Array(buffer)[UPDATE_SIGNAL] !== 0) {
			time.after(0, callback);
			return;
		}
		const waiting = this.#waiting.get(buffer) ?? new Set();
		this.#waiting.set(buffer, waiting);
		waiting.add(callback);
		const look = (): void => {
			if (!waiting.has(callback) || this.isOver) return;
			if (new Int32Array(buffer)[UPDATE_SIGNAL] === 0) time.after(50, look);
			else this.#signal({ buffer });
		};
		time.after(50, look);
	}

	/** What a data thread does by waking whoever waits for its table. */
	#signal({ buffer }: Pick<StickTable, 'buffer'>): void {
		const waiting = [...(this.#waiting.get(buffer) ?? [])];
		this.#waiting.get(buffer)?.clear();
		for (const callback of waiting) this.#cluster.time.after(0, callback);
	}

	/** One request of a client: what tracking and its end change. */
	request(key: string, bytes = 100): void {
		const nowMs = this.clock.monotonicMs();
		for (const type of ['http_req_cnt', 'http_req_rate'] as const) {
			this.own.addByKey(key, this.own.slot(type)!, 0, 1, nowMs);
		}
		const bytesIn = this.own.slot('bytes_in_cnt');
		if (bytesIn !== undefined) this.own.addByKey(key, bytesIn, 0, bytes, nowMs);
		this.#signal(this.own);
	}

	track(key: string): () => void {
		const entry = this.own.track(key, this.clock.monotonicMs());
		this.#signal(this.own);
		return () => {
			this.own.untrack(entry, this.clock.monotonicMs());
			this.#signal(this.own);
		};
	}

	value(table: StickTable, key: string, type: string): number {
		return table.readByKey(key, table.slot(type)!, 0, this.clock.monotonicMs()) ?? 0;
	}

	/** What this node knows of what was counted in one life of an origin alone: its share less its bases. */
	countedInLife(origin: string, number: number, key: string, type: string): number {
		const lives = this.aggregation.summed.get('/req.local')?.origins.get(origin)?.lives ?? [];
		const life = lives.find((one) => one.number === number);
		if (life === undefined) return 0;
		const nowMs = this.clock.monotonicMs();
		const read = (table: StickTable): number => table.readByKey(key, table.slot(type)!, 0, nowMs) ?? 0;
		return Math.max(
			0,
			life.bases.reduce((rest, base) => rest - read(base.table), read(life.table)),
		);
	}

	/** This node's copy of an origin's share. */
	shareOf(origin: string, key: string, type: string): number {
		for (const { table } of this.aggregation.summed.get('/req.local')?.origins.get(origin)?.lives ?? []) {
			const value = table.readByKey(key, table.slot(type)!, 0, this.clock.monotonicMs());
			if (value !== undefined) return value;
		}
		return 0;
	}
}

export class SummingCluster {
	readonly time = new VirtualTime();
	readonly chance: Chance;
	readonly network: VirtualNetwork;
	readonly nodes = new Map<string, SummingNode>();
	/** Of nodes that start from now on. */
	model: StickTableModel;
	readonly peers: readonly PeerConfig[];

	constructor(names: readonly string[], seed: number, changes: Partial<StickTableModel> = {}) {
		this.chance = new Chance(seed);
		this.network = new VirtualNetwork(this.time, this.chance);
		this.model = tableModel('p/req.local', changes);
		this.peers = names.map((name) => ({
			name,
			address: { kind: 'name', host: name, family: undefined, port: 1024 },
			isLocal: false,
			shard: 0,
			isDisabled: false,
		}));
		for (const name of names) this.start(name);
	}

	start(name: string): SummingNode {
		const node = new SummingNode(this, name);
		this.nodes.set(name, node);
		return node;
	}

	node(name: string): SummingNode {
		return this.nodes.get(name)!;
	}

	crash(name: string): void {
		this.network.crash(name);
		this.node(name).section.close();
		this.node(name).isOver = true;
		this.nodes.delete(name);
	}

	/** A reload within the process: the same tables, new peers. */
	reload(name: string): SummingNode {
		const former = this.node(name);
		this.network.unlisten(name);
		former.section.close();
		former.isOver = true;
		const node = new SummingNode(this, name, former);
		this.nodes.set(name, node);
		return node;
	}

	/** A new process on the address of the old one, which hands over and leaves. */
	replace(name: string): { readonly old: SummingNode; readonly node: SummingNode } {
		const old = this.node(name);
		this.network.unlisten(name);
		const node = new SummingNode(this, name, undefined, true);
		this.nodes.set(name, node);
		old.section.softStop(() => {
			old.isOver = true;
		});
		return { old, node };
	}

	run(ms: number): void {
		this.time.runUntil(this.time.nowMs + ms);
	}

	stop(): void {
		for (const node of this.nodes.values()) {
			node.section.close();
			node.isOver = true;
		}
	}
}
