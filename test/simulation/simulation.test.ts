/** Some of the clusters of `npm run simulate`; a failing seed is replayed with `npm run simulate -- <seed>`. */
import t from 'tap';
import { Cluster } from './cluster.js';
import { runSeed } from './scenario.js';

const SEED_COUNT = 120;

for (const first of [1, SEED_COUNT / 2 + 1]) {
	t.test(`clusters from the seeds ${first} to ${first + SEED_COUNT / 2 - 1}`, async (t) => {
		const kinds = new Map<string, number>();
		for (let seed = first; seed < first + SEED_COUNT / 2; seed++) {
			const { failures, kind } = runSeed(seed);
			kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
			if (failures.length > 0) t.fail(`seed ${seed}, ${kind}`, { failures: failures.slice(0, 5) });
		}
		t.ok(kinds.size === 4 && [...kinds.values()].every((count) => count > 5), 'every kind of run occurred');
	});
}

t.test('fifty nodes in one mesh, their tables too small', async (t) => {
	const names = Array.from({ length: 50 }, (_, i) => `n${String(i).padStart(2, '0')}`);
	const cluster = new Cluster(names, 2552, { expireMs: 60_000, tableSize: 30 });
	cluster.run(10_000);
	for (let round = 0; round < 20; round++) {
		for (const name of names) {
			const { table } = cluster.node(name);
			const key = `key${cluster.chance.index(100)}`;
			if (table.entries.size < 30 || table.entries.has(key)) table.count(key, 'http_req_cnt');
		}
		cluster.run(100);
	}
	cluster.run(5000);
	const { dials } = cluster.network;
	const sessions = names.flatMap((name) =>
		cluster.node(name).section.peers.filter((peer) => peer.session !== undefined),
	);
	t.equal(sessions.length, 50 * 49, 'a full mesh');
	t.ok(
		names.every((name) => cluster.node(name).section.isUpToDate()),
		'all up to date',
	);
	t.equal(cluster.protocolErrors(), 0);
	// At start all call all; collisions make some call again.
	t.ok(dials < 50 * 49 * 3, `${dials} calls for ${50 * 49} sessions`);
	const { bytesSent } = cluster.network;
	cluster.run(30_000);
	const perSecond = (cluster.network.bytesSent - bytesSent) / 30 / 50;
	t.ok(perSecond < 100, `at rest ${Math.round(perSecond)} bytes a second and node`);
	t.equal(cluster.network.dials, dials, 'and no call');
	cluster.stop();
});
