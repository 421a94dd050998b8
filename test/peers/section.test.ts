/** The rules of a section and its sessions, one by one, on virtual time with a scripted other side. */
import t from 'tap';
import { systemClock } from '../../lib/core/clock.js';
import { MAX_STRANGERS } from '../../lib/peers/acceptor.js';
import { MAX_BUFFERED_BYTES } from '../../lib/peers/session.js';
import { describeSection, formatPeers } from '../../lib/peers/show.js';
import { slowDefinition, slowVarint } from './recorded.js';
import { ipKey, ScriptedCluster, type ScriptedConnection, type ScriptedOptions } from './scripted.js';

const REQUEST = '0000';
const FINISHED = '0001';
const PARTIAL = '0002';
const CONFIRM = '0003';
const HEARTBEAT = '0004';
const hex = (text: string): Buffer => Buffer.from(text, 'hex');
/** `t`, ip, gpc0, 600 s, under the id 5. */
const DEFINE = Buffer.from(
	slowDefinition({
		id: 5n,
		name: 't',
		keyType: 4,
		keySize: 4,
		columns: [{ id: 2, count: 1, period: 0 }],
		expire: 600000n,
	}),
);
const update = (id: number, key: number[], gpc0: number): Buffer => {
	const value = slowVarint(BigInt(gpc0));
	return Buffer.from([
		10,
		0x80,
		8 + value.length,
		id >>> 24,
		(id >> 16) & 255,
		(id >> 8) & 255,
		id & 255,
		...key,
		...value,
	]);
};
const ack = (id: number, tableId = 1): Buffer =>
	Buffer.from([10, 0x84, 5, tableId, id >>> 24, (id >> 16) & 255, (id >> 8) & 255, id & 255]);

/** A cluster that has finished its start, with an established session. */
function ready(options: ScriptedOptions = {}, version = '2.1'): [ScriptedCluster, ScriptedConnection] {
	const cluster = new ScriptedCluster(options);
	cluster.run(6000);
	return [cluster, cluster.session('B', version)];
}

t.test('live pushes: coalesced, with explicit ids, defined first', async (t) => {
	const [cluster, b] = ready();
	const key = ipKey(10, 0, 0, 1);
	cluster.table.count(key, 'gpc0');
	cluster.table.count(key, 'gpc0', 4);
	cluster.table.count(ipKey(10, 0, 0, 2), 'gpc0', 300);
	cluster.run(20);
	t.strictSame(b.messages(), [
		'0a82 0101740404 04f0eda301'.replace('0404 04', '040404'),
		'0a80 000000010a00000105',
		'0a80 000000020a000002fc03',
	]);
	cluster.table.count(key, 'gpc0');
	cluster.run(20);
	t.strictSame(b.messages(), ['0a80 000000030a00000106'], 'a new id after it was sent, no definition again');
});

t.test('acknowledgements: after a pass, the last id only, of tables that are ours', async (t) => {
	const [cluster, b] = ready();
	b.send(Buffer.concat([DEFINE, update(7, [1, 1, 1, 1], 3), update(9, [1, 1, 1, 2], 4)]));
	t.strictSame(b.messages(), ['0a84 0500000009']);
	t.equal(cluster.table.values(ipKey(1, 1, 1, 1))?.gpc0, 3);
	b.send(hex('0a810501010103f0'.replace('f0', '08')));
	t.strictSame(b.messages(), ['0a84 050000000a'], 'an incremental update counts from the last id');
});

t.test('what was learned is not forwarded live, but taught', async (t) => {
	const [cluster, b] = ready({ peerNames: ['A', 'B', 'C'] });
	const c = cluster.session('C');
	b.send(DEFINE, update(1, [1, 1, 1, 1], 3));
	cluster.run(100);
	t.strictSame(c.messages(), []);
	c.send(hex(REQUEST));
	cluster.run(10);
	const lesson = c.messages();
	t.match(lesson[1], /^0a85 8000000.{9}010101010?3$/, 'timed, with the id of a learned entry');
	t.equal(lesson.at(-1), FINISHED);
	// No live push before the confirmation.
	cluster.table.count(ipKey(2, 2, 2, 2), 'gpc0');
	cluster.run(100);
	t.strictSame(c.messages(), []);
	c.send(hex(CONFIRM));
	cluster.run(10);
	t.match(c.messages(), [/^0a80 .{8}0202020201$/], 'what changed meanwhile, and nothing twice');
});

t.test('version 2.0 is taught with untimed updates', async (t) => {
	const [cluster, b] = ready({}, '2.0');
	cluster.table.count(ipKey(1, 1, 1, 1), 'gpc0');
	cluster.run(10);
	b.messages();
	b.send(hex(REQUEST));
	cluster.run(10);
	t.strictSame(b.messages(), ['0a80 000000010101010101', FINISHED]);
});

t.test('lessons: request, partial, another teacher, timeout', async (t) => {
	const cluster = new ScriptedCluster({ peerNames: ['A', 'B', 'C'] });
	const b = cluster.caller();
	b.send('HAProxyS 2.1\nA\nB 1 1\n');
	cluster.run(1);
	t.strictSame(b.messages(), ['200', REQUEST], 'the first peer is asked');
	const c = cluster.caller();
	c.send('HAProxyS 2.1\nA\nC 1 1\n');
	cluster.run(1);
	t.strictSame(c.messages(), ['200'], 'the second is not, while the first teaches');
	cluster.table.count(ipKey(9, 9, 9, 9), 'gpc0');
	cluster.run(10);
	t.strictSame(b.messages(), [], 'no push to the teacher');
	b.send(hex(PARTIAL));
	cluster.run(1);
	t.strictSame(b.messages()[0], '0a82 0101740404 04f0eda301'.replace('0404 04', '040404'), 'pushes after the lesson');
	t.equal(c.messages().at(-1), REQUEST, 'then another is asked');
	t.notOk(cluster.section.isUpToDate());
	b.send(hex(REQUEST));
	cluster.run(1);
	t.equal(b.messages().at(-1), PARTIAL, 'whoever is not up to date says so');
	c.send(hex(FINISHED));
	cluster.run(1);
	t.ok(c.messages().includes(CONFIRM));
	t.ok(cluster.section.isUpToDate());

	const alone = new ScriptedCluster({ peerNames: ['A', 'B'] });
	alone.run(4900);
	t.notOk(alone.section.isUpToDate());
	alone.run(200);
	t.ok(alone.section.isUpToDate(), 'after 5 s without any peer');
	t.ok(new ScriptedCluster({ peerNames: ['A'] }).section.isUpToDate(), 'at once without remote peers');
});

t.test('a starting process waits for the old one, which teaches without being asked', async (t) => {
	const cluster = new ScriptedCluster({ hasOldProcess: true });
	const b = cluster.session('B');
	const local = cluster.caller();
	local.send('HAProxyS 2.1\nA\nA 1 1\n', DEFINE, update(1, [1, 1, 1, 1], 3), hex(FINISHED));
	cluster.run(1);
	t.strictSame(local.messages(), ['200', CONFIRM], 'learned, not acknowledged, confirmed');
	t.ok(cluster.section.isUpToDate());
	t.strictSame(b.messages(), [], 'and no remote peer is asked');
	const second = cluster.caller();
	second.send('HAProxyS 2.1\nA\nA 2 1\n');
	t.strictSame(second.messages(), ['300'], 'a second one is told to come back');

	const late = new ScriptedCluster({ hasOldProcess: true });
	const remote = late.session('B');
	late.run(4500);
	remote.send(hex(HEARTBEAT));
	t.notOk(remote.messages().includes(REQUEST));
	late.run(600);
	t.ok(remote.messages().includes(REQUEST), 'after 5 s a remote peer is asked');
});

t.test('soft stop: the new process is called under our own name and taught', async (t) => {
	const [cluster, b] = ready();
	cluster.table.count(ipKey(1, 1, 1, 1), 'gpc0', 3);
	cluster.run(10);
	let call: ScriptedConnection | undefined;
	cluster.onCall = (connection) => {
		call = connection;
		cluster.time.after(1, () => connection.events?.opened());
	};
	let isDone = false;
	cluster.section.softStop(() => {
		isDone = true;
	});
	t.equal(b.closedBy, 'fin', 'remote sessions end');
	cluster.run(10);
	t.equal(call?.take().toString(), 'HAProxyS 2.1\nA\nA 4242 1\n');
	call?.send('200\n');
	cluster.run(10);
	t.match(call?.messages(), [/^0a82/, /^0a85 .*010101010?3$/, FINISHED]);
	t.notOk(isDone);
	call?.send(hex(CONFIRM));
	t.ok(isDone);
	t.equal(call?.closedBy, 'fin');
});

t.test('soft stop: a lesson that breaks after a long while is given again', async (t) => {
	const [cluster] = ready();
	cluster.table.count(ipKey(1, 1, 1, 1), 'gpc0', 3);
	cluster.run(10);
	const calls: ScriptedConnection[] = [];
	cluster.onCall = (connection) => {
		calls.push(connection);
		cluster.time.after(1, () => connection.events?.opened());
	};
	let isDone = false;
	cluster.section.softStop(() => {
		isDone = true;
	});
	cluster.run(10);
	calls[0]?.send('200\n');
	// Longer than the five seconds in which a session must be had.
	cluster.run(4000);
	calls[0]?.send(hex(HEARTBEAT));
	cluster.run(4000);
	calls[0]?.events?.closed('connection reset');
	cluster.run(1000);
	t.notOk(isDone);
	t.equal(calls.length, 2);
	calls[1]?.take();
	calls[1]?.send('200\n');
	cluster.run(10);
	t.match(calls[1]?.messages(), [/^0a82/, /^0a85 .*010101010?3$/, FINISHED]);
	calls[1]?.send(hex(CONFIRM));
	t.ok(isDone);
});

t.test('soft stop: 300 is tried again for 5 s, 503 is not; where nobody listens nobody is waited for', async (t) => {
	for (const [answer, calls] of [
		['300\n', 10],
		['503\n', 1],
		[undefined, 3],
	] as const) {
		const [cluster] = ready();
		const before = cluster.calls.length;
		cluster.onCall = (connection) => {
			cluster.time.after(1, () => {
				if (answer === undefined) connection.events?.closed('connection refused');
				else {
					connection.events?.opened();
					connection.send(answer);
				}
			});
		};
		let isDone = false;
		cluster.section.softStop(() => {
			isDone = true;
		});
		cluster.run(5100);
		t.ok(isDone, String(answer));
		t.equal(cluster.calls.length - before, calls, `${calls} calls`);
	}
});

t.test('heartbeats every 3 s, silence ends the session after 5 s', async (t) => {
	const [cluster, b] = ready();
	cluster.run(3050);
	t.strictSame(b.messages(), [HEARTBEAT]);
	b.send(hex(HEARTBEAT));
	cluster.run(3000);
	t.strictSame(b.messages(), [HEARTBEAT]);
	cluster.run(2100);
	t.equal(b.closedBy, 'reset');
	t.equal(cluster.peer().deadSessions, 1);
	// Nor before: a peer that we teach may have nothing to say for long (section 4.3, the silence trap).
	const [other, silent] = ready();
	silent.send(hex(REQUEST));
	other.run(15_000);
	t.equal(silent.closedBy, undefined);
	other.run(10_000);
	t.equal(silent.closedBy, 'reset');
});

t.test('a lost session resumes after the last acknowledged update', async (t) => {
	const [cluster, first] = ready();
	for (let i = 1; i <= 3; i++) cluster.table.count(ipKey(1, 1, 1, i), 'gpc0', i);
	cluster.run(10);
	first.send(ack(2));
	first.events?.closed('connection reset');
	const second = cluster.session();
	cluster.run(10);
	t.match(second.messages().length + cluster.peer().updatesSent, Number);
	t.equal(cluster.peer().tables[0]?.acknowledgedId, 2);
	t.equal(cluster.peer().updatesSent, 4, 'the third entry again, not the others');
});

t.test('an acknowledgement of what was never sent makes everything go out again', async (t) => {
	for (const nonsense of [0x02000000, 0x80000001, 0xffffffff]) {
		const [cluster, first] = ready();
		for (let i = 1; i <= 3; i++) cluster.table.count(ipKey(1, 1, 1, i), 'gpc0', i);
		cluster.run(10);
		first.send(ack(2), ack(nonsense));
		first.events?.closed('connection reset');
		cluster.session();
		cluster.run(10);
		t.equal(cluster.peer().updatesSent, 6, `id ${nonsense}`);
	}
});

t.test('conflicts: what the peer had not read when it wrote', async (t) => {
	const key = ipKey(1, 1, 1, 1);
	const [cluster, b] = ready();
	cluster.table.count(key, 'gpc0', 100);
	cluster.run(10);
	b.messages();
	b.send(DEFINE, update(1, [1, 1, 1, 1], 7));
	t.equal(cluster.table.values(key)?.gpc0, 100, 'towards HAProxy, which has taken ours, ours stays');
	t.equal(cluster.peer().conflictsWon, 1);
	cluster.run(2000);
	t.ok(
		b.messages().some((message) => message.endsWith('0101010164')),
		'and is pushed once more',
	);
	b.send(ack(2));
	b.send(update(2, [1, 1, 1, 1], 101));
	t.equal(cluster.table.values(key)?.gpc0, 101, 'once it has read ours, it may change it');

	// Two Holdfast nodes: the name that sorts first keeps its value. We are A.
	for (const [name, expected] of [
		['B', 100],
		['0', 7],
	] as const) {
		const mesh = new ScriptedCluster({ peerNames: ['A', name] });
		mesh.run(6000);
		const other = mesh.session(name);
		other.send(hex('48800101'));
		mesh.table.count(key, 'gpc0', 100);
		mesh.run(10);
		other.send(DEFINE, update(1, [1, 1, 1, 1], 7));
		t.equal(mesh.table.values(key)?.gpc0, expected, name);
	}
});

t.test('a lesson does not bring back what another peer has replaced meanwhile', async (t) => {
	const cluster = new ScriptedCluster({ peerNames: ['A', 'B', 'C'] });
	const teacher = cluster.session('B');
	const live = cluster.session('C');
	live.send(DEFINE, update(1, [1, 1, 1, 1], 40));
	teacher.send(DEFINE, update(1, [1, 1, 1, 1], 38), update(2, [1, 1, 1, 2], 5));
	t.equal(cluster.table.values(ipKey(1, 1, 1, 1))?.gpc0, 40);
	t.equal(cluster.table.values(ipKey(1, 1, 1, 2))?.gpc0, 5);
});

t.test('a peer that connects again, and a thousand times', async (t) => {
	const [cluster, first] = ready();
	let last = first;
	for (let i = 0; i < 1000; i++) {
		const next = cluster.caller();
		next.send('HAProxyS 2.1\nA\nB 1 1\n');
		t.equal(last.closedBy, 'reset');
		last = next;
	}
	cluster.run(10);
	t.equal(last.closedBy, undefined, 'the newest lives');
	t.equal(cluster.table.readers.size, 1, 'places in the table are given back');
	t.equal(cluster.peer().collisions, 1000);
	t.ok(cluster.log.length < 5, 'and nobody hears of it a thousand times');
});

t.test('strangers are bounded, and do not push out a peer', async (t) => {
	const [cluster] = ready({ peerNames: ['A', 'B', 'C'] });
	const peer = cluster.caller('192.0.2.1');
	const strangers = Array.from({ length: 200 }, () => cluster.caller('203.0.113.9'));
	t.equal(strangers.filter(({ closedBy }) => closedBy === undefined).length, MAX_STRANGERS);
	t.equal(peer.closedBy, undefined);
	peer.send('HAProxyS 2.1\nA\nC 1 1\n');
	t.match(peer.take().toString('latin1'), /^200\n/, 'a peer is served at once behind them');
	cluster.run(5100);
	t.ok(
		strangers.every(({ closedBy }) => closedBy !== undefined),
		'silence is no place to stay',
	);
	t.equal(cluster.section.waitingCallers, 0);
	const endless = cluster.caller('203.0.113.9');
	endless.send('x'.repeat(600), 'x'.repeat(600));
	t.equal(endless.take().length, 0, 'an endless line gets no answer');
	t.equal(endless.closedBy, 'fin');
});

t.test('source-check', async (t) => {
	const [cluster] = ready({ sourceCheck: true });
	t.equal(cluster.caller('203.0.113.9').closedBy, 'reset');
	t.equal(cluster.caller('192.0.2.1').closedBy, undefined);
	t.match(cluster.log.at(-1), /source-check/);
});

t.test('calls: at once, then every 5 s; an error status and rubbish make the pauses grow', async (t) => {
	const pauses = (cluster: ScriptedCluster): number[] =>
		cluster.calls.slice(1).map(({ atMs }, index) => Math.round((atMs - cluster.calls[index]!.atMs) / 1000));
	const refused = new ScriptedCluster();
	refused.run(21_000);
	t.strictSame(pauses(refused), [5, 5, 5, 5]);
	t.equal(refused.log.length, 1, 'said once');
	t.match(refused.log[0], /peer 'B' \(127\.0\.0\.1:1024\): connection refused/);

	const unknown = new ScriptedCluster();
	unknown.onCall = (connection) =>
		unknown.time.after(1, () => {
			connection.events?.opened();
			connection.send('504\n');
		});
	unknown.calls[0]!.connection.events?.closed('first');
	unknown.run(120_000);
	t.ok(unknown.calls.length >= 4 && unknown.calls.length <= 7, `${unknown.calls.length} calls in two minutes`);
	t.match(unknown.log.at(-1), /it has no peer called 'A' \(504\)/);
	t.equal(unknown.peer().status, 'UNKN');

	const rubbish = new ScriptedCluster();
	rubbish.onCall = (connection) =>
		rubbish.time.after(1, () => {
			connection.events?.opened();
			connection.send('200\n', [255, 255]);
			t.match(connection.take().toString('latin1'), /\x01\x00$/, 'it is told');
			t.equal(connection.closedBy, 'fin');
		});
	rubbish.run(600_000);
	t.ok(rubbish.calls.length <= 8, `${rubbish.calls.length} calls in ten minutes`);
	t.equal(rubbish.peer().protocolErrors, rubbish.calls.length - 1);
	t.match(rubbish.log.at(-1), /reserved class 255 \(message 0, byte 0 after the handshake\)/);
	const again = rubbish.caller();
	again.send('HAProxyS 2.1\nA\nB 1 1\n');
	t.strictSame(again.messages(), ['300'], 'calling us does not shorten its pause');
});

t.test('a status that is none, and one in two pieces', async (t) => {
	const cluster = new ScriptedCluster();
	cluster.onCall = () => {};
	const { connection } = cluster.calls[0]!;
	connection.events?.opened();
	t.equal(connection.take().toString(), 'HAProxyS 2.1\nB\nA 4242 1\n');
	connection.send('20');
	t.equal(cluster.peer().session, undefined);
	connection.send('0\r\n');
	t.ok(cluster.peer().session);
	cluster.peer().session?.end('lost', 'cut');
	cluster.run(2100);
	cluster.calls.at(-1)?.connection.events?.opened();
	cluster.calls.at(-1)?.connection.send('hello\n');
	t.equal(cluster.peer().status, 'PROT');
	t.equal(cluster.calls.at(-1)?.connection.closedBy, 'reset');
});

t.test('a peer that does not read costs a bounded amount, and gets the newest values when it reads', async (t) => {
	const [cluster, b] = ready();
	b.isBlocked = true;
	for (let round = 0; round < 200; round++) {
		for (let i = 0; i < 100; i++) cluster.table.count(ipKey(10, 0, i >> 8, i & 255), 'gpc0');
		cluster.run(5);
		b.send(hex(HEARTBEAT));
	}
	const waiting = b.take().length;
	t.ok(waiting < MAX_BUFFERED_BYTES + 65536, `${waiting} bytes wait for it`);
	b.unblock();
	for (let i = 0; i < 100; i++) cluster.run(5);
	const last = new Map(
		b
			.messages()
			.filter((m) => m.startsWith('0a80'))
			.map((m) => [m.slice(13, 21), m.slice(21)]),
	);
	t.equal([...last.values()].filter((value) => value === 'c8').length, last.size, 'every entry at 200');
});

t.test('a peer with a shard gets its entries only', async (t) => {
	const [cluster, b] = ready({ shards: 3, shardOf: { B: 2 } });
	for (let i = 0; i < 60; i++) cluster.table.count(ipKey(10, 0, 0, i), 'gpc0');
	cluster.run(20);
	const live = b.messages().filter((message) => message.startsWith('0a80')).length;
	t.ok(live > 8 && live < 35, `${live} of 60 entries`);
	b.send(hex(REQUEST));
	cluster.run(20);
	t.equal(b.messages().filter((message) => message.startsWith('0a85')).length, live, 'in a lesson as well');
});

t.test('the largest value of each data type is learned and taught on', async (t) => {
	const columns = [
		{ typeId: 0 },
		{ typeId: 2 },
		{ typeId: 10, periodMs: 1000 },
		{ typeId: 13 },
		{ typeId: 19 },
		{ typeId: 24, count: 100, periodMs: 1000 },
	];
	const [cluster, b] = ready({ columns });
	const most = slowVarint(2n ** 32n - 1n);
	const text = 'x'.repeat(512);
	const key = [...slowVarint(1n + 3n + 512n), 1, ...slowVarint(512n), ...Buffer.from(text)];
	const value = [
		...slowVarint(2n ** 64n - 5n),
		...most,
		...[...most, ...most, ...most],
		...slowVarint(2n ** 64n - 1n),
		...key,
	];
	for (let i = 0; i < 300; i++) value.push(...most);
	const definition = slowDefinition({
		id: 5n,
		name: 't',
		keyType: 4,
		keySize: 4,
		columns: columns.map(({ typeId, count = 1, periodMs = 0 }) => ({ id: typeId, count, period: periodMs })),
		expire: 600000n,
	});
	const message = [0, 0, 0, 1, 1, 1, 1, 1, ...value.map((byte) => byte)];
	// The length before the string is that of the id, the string's length and the string.
	const fixed = message;
	b.send(definition, [10, 0x80, ...slowVarint(BigInt(fixed.length)), ...fixed]);
	if (b.closedBy !== undefined) t.fail('refused', { log: cluster.log });
	t.match(cluster.table.values(ipKey(1, 1, 1, 1)), { gpc0: 4294967295, bytes_in_cnt: 2 ** 64, server_key: text });
	b.send(hex(REQUEST));
	cluster.run(10);
	const taught = b.messages().find((m) => m.startsWith('0a85'));
	t.ok(taught?.includes(Buffer.from(text).toString('hex')), 'and taught on whole');
});

t.test('five thousand tables', async (t) => {
	const tableOptions = Array.from({ length: 5000 }, (_, i) => ({
		name: `t${i}`,
		columns: [{ typeId: 2 }],
		expireMs: 60_000,
	}));
	const [cluster, b] = ready({ tableOptions });
	b.send(hex(REQUEST));
	cluster.run(50);
	t.equal(b.messages().filter((m) => m.startsWith('0a82')).length, 5000, 'all announced in a lesson');
	b.send(hex(CONFIRM));
	cluster.tables[4321]!.count('k', 'gpc0');
	cluster.run(10);
	t.equal(b.messages().filter((m) => m.startsWith('0a80')).length > 0, true);
});

t.test('entries that leave while a peer holds its place', async (t) => {
	const [cluster, b] = ready();
	for (let i = 0; i < 500; i++) cluster.table.count(ipKey(10, 0, i >> 8, i & 255), 'gpc0');
	b.send(hex(REQUEST));
	cluster.run(1);
	for (let i = 100; i < 500; i++) cluster.table.clear(ipKey(10, 0, i >> 8, i & 255));
	cluster.run(20);
	t.equal(b.messages().at(-1), FINISHED);
});

t.test('a full table refuses and goes on', async (t) => {
	const [cluster, b] = ready({
		tableOptions: [
			{ name: 't', keyType: 'ip', keyLengthBytes: 4, expireMs: 600_000, columns: [{ typeId: 2 }], size: 2 },
		],
	});
	b.send(DEFINE, ...[1, 2, 3, 4].map((i) => update(i, [1, 1, 1, i], i)));
	t.equal(cluster.table.entries.size, 2);
	t.equal(cluster.peer().updatesRefused, 2);
	t.equal(b.messages().at(-1), '0a84 0500000004', 'acknowledged all the same');
});

t.test('show peers', async (t) => {
	const [cluster, b] = ready();
	cluster.table.count(ipKey(1, 1, 1, 1), 'gpc0');
	b.send(DEFINE, update(3, [2, 2, 2, 2], 1));
	cluster.run(10);
	const text = formatPeers([describeSection(cluster.section)], false, systemClock);
	t.match(text, / update=\d+ localupdate=1 commitupdate=1 refcnt=1\n {14}behind=\d+ lag=\d+ms\n/);
	t.match(
		text,
		/^0x[0-9a-f]+: \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d\] id=mypeers disabled=0 flags=0x3 resync_timeout=<PAST>/,
	);
	t.match(
		text,
		/ {2}0x[0-9a-f]+: id=B\(remote,active\) addr=127\.0\.0\.1:1024 app_state=RUNNING learn_state=NOTASSIGNED last_status=ESTA last_hdshk=0s/,
	);
	t.match(text, /remote_table:0x[0-9a-f]+ id=t local_id=1 remote_id=5/);
	t.match(text, /last_acked=3 last_pushed=\d+ last_get=3 teaching_origin=0 update=0/);
	t.match(text, /id=A\(local,inactive\)/);
	t.match(text, /last_hdshk=<NEVER>/);
	t.ok(text.endsWith('\n\n'));
	const declared = describeSection(cluster.section).peers.map(({ name }) => name);
	const shown = [...text.matchAll(/ id=(\w+)\((?:local|remote),/g)].map(([, name]) => name);
	t.same(shown, declared.reverse(), 'the one declared last comes first, as in HAProxy');
});

t.test('show peers dict', async (t) => {
	const [cluster] = ready();
	const text = formatPeers([describeSection(cluster.section)], true, systemClock);
	t.equal(
		text.match(/ {8}TX dictionary cache:\n {8}RX dictionary cache:\n {12}0 -> - {4}1 -> - {4}2 -> - {4}3 -> -\n/g)
			?.length,
		cluster.section.peers.length,
		'of a peer without a session, too',
	);
	t.match(text, /\n {10}124 -> - {2}125 -> - {2}126 -> - {2}127 -> -\n/);
});

t.test('soft stop before it is up to date: nothing is handed over', async (t) => {
	const cluster = new ScriptedCluster();
	const before = cluster.calls.length;
	let isDone = false;
	cluster.section.softStop(() => {
		isDone = true;
	});
	t.ok(isDone, 'at once');
	t.equal(cluster.calls.length, before, 'half a table is not taught as if it were whole');
});

t.test('every key type in a definition, every data type: ignored or right, never an error', async (t) => {
	const [cluster, b] = ready();
	for (let keyType = 0; keyType < 256; keyType++) {
		b.send(
			slowDefinition({ id: 5n, name: 't', keyType, keySize: 4, columns: [{ id: 2, count: 1, period: 0 }], expire: 1n }),
		);
		b.send(update(keyType, [9, 9, 9, keyType], 1));
		cluster.run(1);
	}
	t.equal(b.closedBy, undefined);
	t.strictSame(
		[...cluster.table.entries.keys()],
		[ipKey(9, 9, 9, 4)],
		'only the updates under the type of the table are used',
	);
	t.match(cluster.log.at(-1), /its table 't' is not ours: another key type/);
	t.equal(cluster.log.filter((line) => line.includes('key type')).length, 1, 'said once');
});

t.test('a table that the peer defines under a new id, and an id that moves to another table', async (t) => {
	const columns = [{ typeId: 2 }];
	const [cluster, b] = ready({
		tableOptions: ['t', 'u'].map((name) => ({ name, keyType: 'ip' as const, keyLengthBytes: 4, columns })),
	});
	const define = (id: bigint, name: string) =>
		slowDefinition({ id, name, keyType: 4, keySize: 4, columns: [{ id: 2, count: 1, period: 0 }], expire: 0n });
	b.send(define(5n, 't'), update(1, [1, 1, 1, 1], 1), define(6n, 't'), update(2, [1, 1, 1, 2], 2));
	b.send(define(6n, 'u'), update(3, [1, 1, 1, 3], 3), [10, 0x83, 1, 5], update(4, [1, 1, 1, 4], 4));
	t.equal(cluster.tables[0]!.entries.size, 2);
	t.equal(cluster.tables[1]!.entries.size, 1, 'the id 5 is bound to nothing any more');
	t.equal(b.closedBy, undefined);
});

t.test('a peer that refuses version 2.1 is called with 2.0', async (t) => {
	const cluster = new ScriptedCluster();
	const hellos: string[] = [];
	cluster.onCall = (connection) =>
		cluster.time.after(1, () => {
			connection.events?.opened();
			hellos.push(connection.take().toString('latin1').split('\n')[0]!);
			connection.send(hellos.length === 1 ? '502\n' : '200\n');
			cluster.time.after(5, () => connection.send(hex(REQUEST)));
		});
	cluster.calls[0]!.connection.events?.closed('first');
	cluster.run(5100);
	cluster.table.count(ipKey(1, 1, 1, 1), 'gpc0');
	cluster.run(8000);
	t.strictSame(hellos.slice(0, 2), ['HAProxyS 2.1', 'HAProxyS 2.0']);
	t.ok(
		cluster.calls
			.at(-1)
			?.connection.messages()
			.some((message) => message.startsWith('0a80')),
		'and taught in its way',
	);
});

t.test('more peers than a table has places for', async (t) => {
	const names = ['A', ...Array.from({ length: 300 }, (_, i) => `P${i}`)];
	const cluster = new ScriptedCluster({ peerNames: names });
	t.equal(cluster.section.peers.length, 250);
	t.match(cluster.log[0], /only the first 250/);
});
