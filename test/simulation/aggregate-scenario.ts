/**
 * One run of a summing cluster from a seed: requests everywhere, broken connections, partitions, processes that
 * die and start anew; then healing, quiet, and what must be true.
 *
 * What a process had counted and not sent when it died is lost with it. So for each crash the bounds are kept:
 * at least what some node had heard of each key, at most what was counted. Where the process had sent
 * everything (`quiet` before it dies) the two are the same, and the sum must be exact. A node may die again and
 * again while some are cut off: what only those had heard of an earlier process of it counts too. After very many deaths
 * of one node that is given up (lib/aggregate/shares.ts), and only the upper bound holds.
 */
import { SummingCluster, type SummingNode } from './aggregate-cluster.js';
import { Chance } from './virtual-time.js';

export interface SumsResult {
	readonly seed: number;
	readonly kind: string;
	readonly failures: readonly string[];
	readonly story: readonly string[];
}

const KEY_COUNT = 6;
/** Earlier processes of a node that are kept apart. */
const MOST_DEATHS = 8;
/** Longer than every pause between calls, and than a session that is silent. */
const SETTLE_MS = 20_000;
const TYPES = ['http_req_cnt', 'bytes_in_cnt'] as const;
type CounterType = (typeof TYPES)[number];

/** What a node has counted in all its lives, by key. */
type Ledger = Map<string, Record<CounterType, number>>;

export function runSumsSeed(seed: number): SumsResult {
	const chance = new Chance(seed ^ 0x50f5);
	const kind = chance.pick(['steady', 'clean crashes', 'crashes', 'partitions', 'everything']);
	const names = ['a', 'b', 'c', 'd', 'e'].slice(0, chance.between(2, 5));
	const cluster = new SummingCluster(names, seed, chance.happens(0.3) ? { expireMs: 3_600_000 } : {});
	cluster.network.maxDelayMs = chance.pick([1, 5, 50, 300]);
	const failures: string[] = [];
	const story = [`seed ${seed}: ${kind}, ${names.length} nodes`];
	const tell = (text: string): void => {
		story.push(`${Math.round(cluster.time.nowMs)} ${text}`);
	};
	const counted = new Map<string, Ledger>(names.map((name) => [name, new Map()]));
	/** What the present process of a node has counted. */
	const ofLife = new Map<string, Ledger>(names.map((name) => [name, new Map()]));
	const deaths = new Map<string, number>();
	/** What may be missing of a node's share since a crash, by key. */
	const lost = new Map<string, Ledger>(names.map((name) => [name, new Map()]));
	const total = (ledgers: Map<string, Ledger>, name: string, key: string, type: CounterType): number =>
		ledgers.get(name)?.get(key)?.[type] ?? 0;
	const add = (ledgers: Map<string, Ledger>, name: string, key: string, type: CounterType, amount: number): void => {
		const ledger = ledgers.get(name)!;
		const record = ledger.get(key) ?? { http_req_cnt: 0, bytes_in_cnt: 0 };
		record[type] += amount;
		ledger.set(key, record);
	};
	const keys = Array.from({ length: KEY_COUNT }, (_, i) => `key${i}`);

	const count = (node: SummingNode, times: number): void => {
		for (let i = 0; i < times; i++) {
			const key = chance.pick(keys);
			const bytes = chance.between(1, 3_000_000_000);
			node.request(key, bytes);
			for (const ledgers of [counted, ofLife]) {
				add(ledgers, node.name, key, 'http_req_cnt', 1);
				add(ledgers, node.name, key, 'bytes_in_cnt', bytes);
			}
		}
	};
	/** At no time more than the origin has counted, in any copy and in its own table. */
	const checkNeverAbove = (): void => {
		for (const node of cluster.nodes.values()) {
			for (const name of names) {
				for (const key of keys) {
					for (const type of TYPES) {
						const share = node.name === name ? node.value(node.own, key, type) : node.shareOf(name, key, type);
						const limit = total(counted, name, key, type);
						if (share > limit) {
							failures.push(
								`${Math.round(cluster.time.nowMs)} ${node.name} has ${share} for ${name}'s ${type} of ${key}, counted were ${limit}`,
							);
						}
					}
				}
			}
		}
	};
	const crash = (name: string): void => {
		const node = cluster.node(name);
		for (const key of keys) {
			for (const type of TYPES) {
				const others = [...cluster.nodes.values()].filter((other) => other !== node);
				const { life } = node.aggregation;
				const heard = Math.max(0, ...others.map((other) => other.countedInLife(name, life, key, type)));
				add(lost, name, key, type, Math.max(0, total(ofLife, name, key, type) - heard));
			}
		}
		ofLife.set(name, new Map());
		deaths.set(name, (deaths.get(name) ?? 0) + 1);
		cluster.crash(name);
	};

	if (chance.happens(0.7)) cluster.run(6000);
	let isCut = false;
	/**
	 * One node dies while some are cut off, as often as it likes: with a second one, what only that had heard of the first
	 * would be gone too, and rightly.
	 */
	let hasDied: string | undefined;
	const mayCut = kind === 'partitions' || kind === 'everything';
	const mayCrash = kind === 'clean crashes' || kind === 'crashes' || kind === 'everything';
	const steps = chance.between(15, 50);
	for (let step = 0; step < steps; step++) {
		cluster.run(chance.pick([1, 5, 100, 1000, 4000]));
		for (const node of cluster.nodes.values()) if (chance.happens(0.6)) count(node, chance.between(1, 10));
		if (chance.happens(0.1)) {
			tell('a connection breaks');
			cluster.network.breakOne();
		}
		if (chance.happens(0.05)) {
			const node = chance.pick([...cluster.nodes.values()]);
			tell(`${node.name} is reloaded`);
			cluster.reload(node.name);
		}
		if (mayCut && chance.happens(0.1) && !isCut) {
			isCut = true;
			tell('partition');
			cluster.network.partition(new Map(names.map((name) => [name, chance.index(2)])));
		} else if (isCut && chance.happens(0.15)) {
			tell('the partition moves');
			cluster.network.partition(new Map(names.map((name) => [name, chance.index(2)])));
		} else if (isCut && chance.happens(0.2)) {
			isCut = false;
			tell('healed');
			cluster.network.heal();
			cluster.run(SETTLE_MS);
			hasDied = undefined;
		}
		if (mayCrash && chance.happens(hasDied === undefined ? 0.12 : 0.3)) {
			const name = hasDied ?? chance.pick(names);
			// One node dies at a time, and the others have come to know what the last one knew.
			if (kind === 'clean crashes') cluster.run(SETTLE_MS);
			tell(`${name} dies`);
			crash(name);
			hasDied = name;
			cluster.run(chance.pick([1, 100, 3000]));
			for (const node of cluster.nodes.values()) if (chance.happens(0.5)) count(node, 2);
			cluster.run(chance.pick([1, 100, 3000]));
			tell(`${name} starts`);
			const node = cluster.start(name);
			// Before it has heard from anybody.
			count(node, chance.between(0, 5));
			if (!isCut) {
				cluster.run(SETTLE_MS);
				hasDied = undefined;
			}
		}
		checkNeverAbove();
	}
	cluster.network.heal();
	cluster.run(SETTLE_MS);
	checkNeverAbove();

	for (const key of keys) {
		for (const type of TYPES) {
			const most = names.reduce((sum, name) => sum + total(counted, name, key, type), 0);
			const mayMiss = (name: string): number =>
				total((deaths.get(name) ?? 0) > MOST_DEATHS ? counted : lost, name, key, type);
			const least = most - names.reduce((sum, name) => sum + mayMiss(name), 0);
			const sums = [...cluster.nodes.values()].map((node) => node.value(node.sum, key, type));
			if (sums.some((sum) => sum !== sums[0])) failures.push(`${type} of ${key}: the nodes have ${sums.join(', ')}`);
			if (sums[0]! > most || sums[0]! < least) {
				failures.push(`${type} of ${key}: ${sums[0]}, should be ${least === most ? most : `${least} to ${most}`}`);
			}
			for (const node of cluster.nodes.values()) {
				const own = node.value(node.own, key, type);
				for (const other of cluster.nodes.values()) {
					if (other === node) continue;
					const share = other.shareOf(node.name, key, type);
					if (share !== own)
						failures.push(`${other.name} has ${share} as ${node.name}'s share of ${key}, it is ${own}`);
				}
			}
		}
	}
	for (const { name, section, own, sum } of cluster.nodes.values()) {
		for (const peer of section.peers) {
			if (!peer.isLocal && peer.session === undefined) failures.push(`${name} has no session with ${peer.name}`);
			if (peer.protocolErrors > 0) failures.push(`${name}: ${peer.protocolErrors} protocol errors of ${peer.name}`);
		}
		for (const table of [own, sum.remote()]) {
			const fault = table.verify();
			if (fault !== undefined) failures.push(`${name}: ${fault}`);
		}
	}
	for (const { log } of cluster.nodes.values()) story.push(...log);
	cluster.stop();
	return { seed, kind, failures, story };
}
