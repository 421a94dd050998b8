/** Load balancers that sum over their own mesh, on virtual time. */
import t from 'tap';
import { SummingCluster, stored } from '../simulation/aggregate-cluster.js';

const NAMES = ['a', 'b', 'c'];

t.test('each node sees the sum, its own requests at once, and its own table unchanged', async (t) => {
	const cluster = new SummingCluster(NAMES, 1);
	cluster.run(6000);
	for (const [index, name] of NAMES.entries()) {
		for (let i = 0; i <= index; i++) cluster.node(name).request('k');
		t.equal(cluster.node(name).value(cluster.node(name).sum, 'k', 'http_req_cnt'), index + 1, `${name} sees itself`);
	}
	cluster.run(1000);
	for (const [index, name] of NAMES.entries()) {
		const node = cluster.node(name);
		t.equal(node.value(node.sum, 'k', 'http_req_cnt'), 6, `${name}: the sum`);
		t.equal(node.value(node.own, 'k', 'http_req_cnt'), index + 1, `${name}: its own`);
		t.equal(node.value(node.sum, 'k', 'http_req_rate'), 6, `${name}: the rate`);
		t.equal(node.value(node.sum, 'k', 'bytes_in_cnt'), 600);
		t.same(node.log, []);
	}
	cluster.stop();
});

t.test('a node that starts anew gets its share back and counts on', async (t) => {
	const cluster = new SummingCluster(NAMES, 2);
	cluster.run(6000);
	for (let i = 0; i < 10; i++) cluster.node('a').request('k');
	cluster.node('b').request('k');
	cluster.run(1000);
	cluster.crash('a');
	cluster.run(500);
	t.equal(cluster.node('c').value(cluster.node('c').sum, 'k', 'http_req_cnt'), 11, 'its share stays while it is away');
	const a = cluster.start('a');
	for (let i = 0; i < 3; i++) a.request('k');
	cluster.run(10_000);
	t.equal(a.value(a.own, 'k', 'http_req_cnt'), 13);
	a.request('k');
	cluster.run(1000);
	for (const node of cluster.nodes.values()) t.equal(node.value(node.sum, 'k', 'http_req_cnt'), 15, node.name);
	t.equal(a.value(a.own, 'k', 'http_req_cnt'), 14);
	t.equal(
		cluster.node('b').aggregation.summed.get('/req.local')?.origins.get('a')?.lives.length,
		1,
		'one life is kept',
	);
	cluster.stop();
});

t.test('a node that starts anew twice while one is cut off, which alone had heard all of it', async (t) => {
	const cluster = new SummingCluster(NAMES, 13);
	const count = (name: string, times: number): void => {
		for (let i = 0; i < times; i++) cluster.node(name).request('k');
	};
	const cut = (alone: string): void =>
		cluster.network.partition(new Map(NAMES.map((name) => [name, name === alone ? 1 : 0])));
	cluster.run(6000);
	count('a', 5);
	cluster.run(1000);
	cut('c');
	// Its session ends, or it would get what waits in it.
	cluster.run(8000);
	count('a', 10);
	cluster.run(2000);
	cut('b');
	for (const times of [3, 2]) {
		cluster.crash('a');
		cluster.run(200);
		cluster.start('a');
		cluster.run(8000);
		count('a', times);
		cluster.run(1000);
	}
	t.equal(cluster.node('a').value(cluster.node('a').own, 'k', 'http_req_cnt'), 10, 'what c had heard, and its own');
	cluster.network.heal();
	cluster.run(30_000);
	for (const node of cluster.nodes.values()) t.equal(node.value(node.sum, 'k', 'http_req_cnt'), 20, node.name);
	// Whoever has heard all of it may be away the next time.
	cut('b');
	cluster.crash('a');
	cluster.start('a');
	cluster.run(10_000);
	cluster.network.heal();
	cluster.run(30_000);
	for (const node of cluster.nodes.values()) {
		t.equal(node.value(node.sum, 'k', 'http_req_cnt'), 20, `${node.name} after a third time`);
		t.equal(node.value(node.sum, 'k', 'bytes_in_cnt'), 2000);
	}
	cluster.stop();
});

t.test('connections leave the sum with their node at once', async (t) => {
	const cluster = new SummingCluster(NAMES, 3);
	cluster.run(6000);
	const end = cluster.node('a').track('k');
	cluster.node('b').track('k');
	cluster.run(500);
	const c = cluster.node('c');
	t.equal(c.value(c.sum, 'k', 'conn_cur'), 2);
	end();
	cluster.run(500);
	t.equal(c.value(c.sum, 'k', 'conn_cur'), 1);
	cluster.crash('b');
	cluster.run(100);
	t.equal(c.value(c.sum, 'k', 'conn_cur'), 0);
	cluster.stop();
});

t.test('a reload keeps what is known of the others', async (t) => {
	const cluster = new SummingCluster(NAMES, 4);
	cluster.run(6000);
	for (const name of NAMES) cluster.node(name).request('k');
	cluster.run(500);
	const a = cluster.reload('a');
	t.equal(a.value(a.sum, 'k', 'http_req_cnt'), 3, 'at once');
	a.request('k');
	cluster.node('b').request('k');
	cluster.run(8000);
	for (const node of cluster.nodes.values()) t.equal(node.value(node.sum, 'k', 'http_req_cnt'), 5, node.name);
	cluster.stop();
});

t.test('entries leave the sum by their own expiry', async (t) => {
	const cluster = new SummingCluster(NAMES, 5, { expireMs: 20_000 });
	cluster.run(6000);
	cluster.node('a').request('k');
	cluster.run(10_000);
	cluster.node('b').request('k');
	const c = cluster.node('c');
	cluster.run(9000);
	t.equal(c.value(c.sum, 'k', 'http_req_cnt'), 2);
	cluster.run(3000);
	t.equal(c.value(c.sum, 'k', 'http_req_cnt'), 1, "a's share is over");
	cluster.run(10_000);
	t.notOk(c.sum.has('k', c.clock.monotonicMs()));
	cluster.stop();
});

t.test('the newest state, whoever set it', async (t) => {
	const cluster = new SummingCluster(NAMES, 6, { expireMs: 60_000 });
	cluster.run(6000);
	const set = (name: string, value: number): void => {
		const { own, clock } = cluster.node(name);
		own.setByKey('k', own.slot('gpt0')!, 0, value, clock.monotonicMs());
		cluster.node(name).request('k');
	};
	set('a', 7);
	cluster.run(3000);
	set('b', 9);
	cluster.run(500);
	for (const node of cluster.nodes.values()) t.equal(node.value(node.sum, 'k', 'gpt0'), 9, node.name);
	cluster.stop();
});

t.test('a clock that was set back', async (t) => {
	const cluster = new SummingCluster(NAMES, 7);
	cluster.run(6000);
	for (let i = 0; i < 5; i++) cluster.node('a').request('k');
	cluster.run(1000);
	cluster.crash('a');
	const { wallMs } = cluster.time.clock();
	cluster.time.clockStep = -3_600_000;
	t.ok(cluster.time.clock().wallMs() < wallMs());
	const a = cluster.start('a');
	a.request('k');
	cluster.run(10_000);
	for (const node of cluster.nodes.values()) t.equal(node.value(node.sum, 'k', 'http_req_cnt'), 6, node.name);
	t.equal(a.value(a.own, 'k', 'http_req_cnt'), 6);
	t.match(a.log.join('\n'), /clock was set back/);
	cluster.stop();
});

t.test('clocks that differ by minutes', async (t) => {
	const cluster = new SummingCluster(NAMES, 11);
	const setClock = (name: string): void => {
		cluster.time.clockStep = (NAMES.indexOf(name) - 1) * 7 * 60_000;
	};
	for (const name of NAMES) {
		cluster.crash(name);
		setClock(name);
		cluster.start(name);
	}
	cluster.run(6000);
	for (const name of NAMES) for (let i = 0; i < 5; i++) cluster.node(name).request('k');
	cluster.run(4000);
	for (const node of cluster.nodes.values()) {
		t.equal(node.value(node.sum, 'k', 'http_req_cnt'), 15, node.name);
		t.equal(node.value(node.sum, 'k', 'http_req_rate'), 15, `${node.name}: the rate`);
	}
	// The one whose clock is behind starts anew, and the one whose clock is ahead.
	for (const name of ['a', 'c']) {
		cluster.crash(name);
		setClock(name);
		cluster.start(name).request('k');
		cluster.run(10_000);
	}
	for (const node of cluster.nodes.values()) {
		t.equal(node.value(node.sum, 'k', 'http_req_cnt'), 17, `${node.name} after two have started anew`);
		t.same(
			node.log.filter((line) => /clock|same name/.test(line)),
			[],
		);
	}
	cluster.stop();
});

t.test('two processes of one name: each says so once, and nothing is counted twice', async (t) => {
	const cluster = new SummingCluster(NAMES, 12);
	cluster.run(40_000);
	for (const name of NAMES) for (let i = 0; i < 4; i++) cluster.node(name).request('k');
	cluster.run(1000);
	const earlier = cluster.node('b');
	const later = cluster.start('b');
	for (let i = 0; i < 3; i++) later.request('k');
	cluster.run(60_000);
	for (let i = 0; i < 100; i++) earlier.request('k');
	cluster.run(20_000);
	t.match(earlier.log.join('\n'), /another process that started later than this one is called 'b' too/);
	for (const name of ['a', 'c']) {
		const node = cluster.node(name);
		const sum = node.value(node.sum, 'k', 'http_req_cnt');
		t.ok(sum >= 15 && sum <= 115, `${name}: ${sum}, nothing is counted twice`);
		t.equal(
			node.log.filter((line) => line.includes("two nodes seem to be called 'b'")).length,
			1,
			`${name} says so once`,
		);
	}
	earlier.section.close();
	cluster.stop();
});

t.test('a new process takes over from the old one', async (t) => {
	const cluster = new SummingCluster(NAMES, 8);
	cluster.run(6000);
	for (const name of NAMES) for (let i = 0; i < 4; i++) cluster.node(name).request('k');
	cluster.node('a').request('alone');
	cluster.run(1000);
	const { old, node: a } = cluster.replace('a');
	a.request('k');
	cluster.run(8000);
	t.ok(old.isOver, 'the old process has handed over');
	t.equal(a.value(a.own, 'k', 'http_req_cnt'), 5);
	t.equal(a.value(a.own, 'alone', 'http_req_cnt'), 1);
	for (const node of cluster.nodes.values()) {
		t.equal(node.value(node.sum, 'k', 'http_req_cnt'), 13, node.name);
		t.equal(node.value(node.sum, 'alone', 'http_req_cnt'), 1, node.name);
	}
	cluster.stop();
});

t.test('tables of one name that store other things are not added up', async (t) => {
	const cluster = new SummingCluster(NAMES, 9);
	cluster.run(6000);
	cluster.crash('b');
	cluster.model = { ...cluster.model, store: [stored('http_req_cnt'), stored('http_req_rate', 5000)] };
	const b = cluster.start('b');
	cluster.run(6000);
	for (const name of NAMES) cluster.node(name).request('k');
	cluster.run(1000);
	const a = cluster.node('a');
	t.equal(a.value(a.sum, 'k', 'http_req_cnt'), 2);
	t.equal(b.value(b.sum, 'k', 'http_req_cnt'), 1);
	t.match(a.log.join('\n'), /table '\/req.local' of peer 'b' stores other data, or for other periods, than here/);
	cluster.stop();
});

t.test('a mesh whose tables are too small loses entries, not its order', async (t) => {
	const cluster = new SummingCluster(NAMES, 10, { size: 8, expireMs: 60_000 });
	cluster.run(6000);
	for (let round = 0; round < 200; round++) {
		cluster.node(cluster.chance.pick(NAMES)).request(`key${cluster.chance.index(40)}`);
		cluster.run(20);
	}
	cluster.run(2000);
	for (const node of cluster.nodes.values()) {
		for (const table of [node.own, node.sum.remote()]) t.equal(table.verify(), undefined, node.name);
		for (const view of node.own.entries(node.clock.monotonicMs())) {
			const own = view.reading(node.own.slot('http_req_cnt')!, 0);
			t.ok(node.value(node.sum, String(view.key), 'http_req_cnt') >= own);
		}
	}
	cluster.stop();
});
