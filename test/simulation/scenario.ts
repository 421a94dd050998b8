/** One run of a cluster from a seed: what happens to it, and the invariants at its end. */
import { Cluster, type SimulatedNode } from './cluster.js';
import { Chance } from './virtual-time.js';

export interface RunResult {
	readonly seed: number;
	readonly kind: string;
	readonly failures: readonly string[];
	/** What happened, for a failing seed. */
	readonly story: readonly string[];
}

type Kind = 'active-standby' | 'failover' | 'split' | 'cold start';

const KEY_COUNT = 12;
/** Longer than any pause between calls, every timeout and the second push after a conflict. */
const SETTLE_MS = 30_000;

export function runSeed(seed: number): RunResult {
	const chance = new Chance(seed ^ 0x5eed);
	const kind = chance.pick<Kind>(['active-standby', 'failover', 'split', 'cold start']);
	const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].slice(0, chance.between(3, 7));
	const story: string[] = [`seed ${seed}: ${kind}, ${names.length} nodes`];
	const failures: string[] = [];
	const cluster = new Cluster(names, seed, {
		expireMs: chance.happens(0.3) ? undefined : 120_000,
		firstId: chance.pick([0, 0, 2 ** 31 - 20, 2 ** 32 - 20]),
		tableNames: chance.happens(0.3) ? ['t', 'u'] : ['t'],
	});
	cluster.network.maxDelayMs = chance.pick([1, 5, 50, 300]);
	const tell = (text: string): void => {
		story.push(`${Math.round(cluster.time.nowMs)} ${text}`);
	};

	const count = (node: SimulatedNode, times: number): void => {
		for (let i = 0; i < times; i++) {
			const table = chance.pick(node.tables);
			const key = `key${chance.index(KEY_COUNT)}`;
			table.count(key, 'http_req_cnt', 1);
			table.count(key, 'http_req_rate', 1);
			table.count(key, 'bytes_in_cnt', chance.between(1, 5_000_000_000));
			table.count(key, 'gpc', 1, chance.index(3));
			if (chance.happens(0.2)) table.setServerKey(key, `server${chance.index(200)}`);
		}
	};

	// A lesson replaces what a starting node counted meanwhile, as in HAProxy; so that what is compared in the end
	// is not that, traffic begins when all are up to date, unless the run is about the start.
	if (kind !== 'cold start') cluster.run(SETTLE_MS);
	let active = chance.pick(names);
	let isCut = false;
	const steps = chance.between(20, 60);
	for (let step = 0; step < steps; step++) {
		cluster.run(chance.pick([5, 100, 1000, 4000]));
		if (chance.happens(0.7) && kind !== 'split') count(cluster.node(active), chance.between(1, 20));
		if (chance.happens(0.1)) {
			tell('a connection breaks');
			cluster.network.breakOne();
		}
		if (chance.happens(0.06) && !isCut) {
			isCut = true;
			tell('partition');
			cluster.network.partition(new Map(names.map((name) => [name, chance.index(2)])));
		} else if (chance.happens(0.2) && isCut) {
			isCut = false;
			tell('healed');
			cluster.network.heal();
		}
		if (chance.happens(0.05)) {
			// Only standbys: what an active node did not yet send dies with it.
			const name = chance.pick(names);
			if ((name !== active && kind === 'active-standby') || kind === 'cold start') {
				// A starting node is taught by one peer, which must not be behind the others for this to be enough.
				if (isCut) continue;
				if (kind !== 'cold start') cluster.run(SETTLE_MS);
				tell(`${name} restarts`);
				cluster.restartNode(name);
			}
		}
		if (kind === 'failover' && chance.happens(0.15) && !isCut) {
			cluster.run(SETTLE_MS);
			active = chance.pick(names);
			tell(`${active} is active`);
		}
	}

	if (kind === 'split') {
		// All know the same, then both sides count the same keys, each at one node.
		cluster.network.heal();
		cluster.run(SETTLE_MS);
		const [left, right] = [names[0]!, names[names.length - 1]!];
		tell(`partition: ${left} and ${right} both count`);
		cluster.network.partition(
			new Map(names.map((name, index) => [name, index === 0 || (name !== right && chance.happens(0.5)) ? 0 : 1])),
		);
		const lastsMs = chance.pick([200, 3000, 20_000]);
		for (let i = 0; i < 10; i++) {
			count(cluster.node(left), 3);
			count(cluster.node(right), 3);
			cluster.run(lastsMs / 10);
		}
		tell('healed');
	}
	cluster.network.heal();
	cluster.run(SETTLE_MS);
	if (kind === 'cold start') {
		for (const table of cluster.node(active).tables) {
			for (let i = 0; i < KEY_COUNT; i++) table.count(`key${i}`, 'http_req_cnt', 1);
		}
		cluster.run(SETTLE_MS);
	}

	failures.push(...cluster.differences());
	if (cluster.protocolErrors() > 0) failures.push(`${cluster.protocolErrors()} protocol errors`);
	for (const { name, section, tables } of cluster.nodes.values()) {
		if (!section.isUpToDate()) failures.push(`${name} is not up to date`);
		for (const peer of section.peers) {
			if (!peer.isLocal && peer.session === undefined) failures.push(`${name} has no session with ${peer.name}`);
			if (peer.tables.some((shared) => shared.reader?.hasNext() === true))
				failures.push(`${name} has not pushed all to ${peer.name}`);
		}
		for (const table of tables) {
			// One place in the local list for each session, and none left over by dead ones.
			if (table.readers.size !== names.length - 1) failures.push(`${name} has ${table.readers.size} readers open`);
		}
	}
	// At rest: heartbeats and nothing else, at most two bytes a second and direction.
	const { bytesSent, dials } = cluster.network;
	cluster.run(30_000);
	const idleBytes = cluster.network.bytesSent - bytesSent;
	const pairs = names.length * (names.length - 1);
	if (idleBytes > pairs * 2 * 11) failures.push(`${idleBytes} bytes in 30 s of rest between ${names.length} nodes`);
	if (cluster.network.dials !== dials) failures.push('calls although all are connected');
	for (const { log } of cluster.nodes.values()) story.push(...log);
	cluster.stop();
	return { seed, kind, failures, story };
}
