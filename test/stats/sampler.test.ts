/**
 * The control thread's looks, on a clock that is moved by hand: rates, histories, the hottest keys, who refused them, how
 * far peers are behind, and what is left out when it does not fit.
 */
import t from 'tap';
import type { OriginStatus } from '../../lib/aggregate/status.js';
import { systemClock } from '../../lib/core/clock.js';
import type { SectionDescription } from '../../lib/peers/show.js';
import { Bulletin } from '../../lib/shared/bulletin.js';
import { Column, CounterMemory } from '../../lib/shared/counters.js';
import { figuresOf, shownKey } from '../../lib/stats/hot-keys.js';
import type { ControlReport } from '../../lib/stats/report.js';
import { ReloadHistory, StatsSampler } from '../../lib/stats/sampler.js';
import { allocateRefusals, RefusalReader, RefusalRing, ruleFiles } from '../../lib/stream/refusals.js';
import { startHarness } from '../fixtures/proxy-harness.js';
import { GET, rawClient } from '../fixtures/raw-http.js';
import { waitFor } from '../fixtures/wait-for.js';

const CONFIG = `
defaults
  mode http
  timeout client 10s
  timeout server 5s
  timeout connect 1s
frontend f
  bind 127.0.0.1:0
  stick-table type string len 32 size 100k expire 60s store http_req_rate(10s),gpc0
  http-request track-sc0 hdr(x-user)
  http-request deny if { hdr(x-user) bad }
  http-request return status 200
`;

t.test('keys for people to read', async (t) => {
	t.equal(shownKey('a b'), 'a b');
	t.equal(shownKey(Buffer.from('müde').toString('latin1')), 'müde', 'UTF-8');
	t.equal(shownKey('\xff\xfe'), '\\xFF\\xFE', 'bytes that are no text');
	t.equal(shownKey('a\nb'), 'a\\nb', 'control characters are not passed on');
	t.equal(
		shownKey(Buffer.from('a\u202eb').toString('latin1')),
		'a\\xE2\\x80\\xAEb',
		'nor are those that turn the text round',
	);
	t.equal(shownKey(7), '7');
});

const counterShape = { objectCount: 1, threadCount: 1 };

t.test('looks', async (t) => {
	const harness = await startHarness(CONFIG);
	t.teardown(() => harness.close());
	const { frontends, backends, tables } = harness;
	const model = { proxies: [...frontends.values()].map((frontend) => frontend.model) };
	const files = ruleFiles(model as never);
	t.same(files, ['test.cfg']);
	const rings = allocateRefusals(1);
	harness.thread.refusals = new RefusalRing(rings, 0, files, tables.values());

	const client = await rawClient(harness.port('f'));
	const users = ['ann', 'ann', 'ann', 'bad', 'bad', 'bob'];
	for (const [index, user] of users.entries()) {
		client.send(GET('/', `x-user: ${user}\r\n`));
		await client.when('an answer', (text) => text.split('HTTP/1.1 ').length > index + 1);
	}
	client.close();

	let nowMs = systemClock.monotonicMs();
	const timers: (() => void)[] = [];
	const clock = {
		...systemClock,
		monotonicMs: () => nowMs,
		wallMs: () => 1_700_000_000_000 + nowMs,
		setTimer: (callback: () => void) => {
			timers.push(callback);
			return { cancel() {} };
		},
	};
	let pendingUpdates = 0;
	let lagMs = 0;
	const peer = { name: 'p', isLocal: false, status: 'ESTA' };
	const peerTables = () => [{ name: 'x', pendingUpdates, lagMs, localId: 1 }];
	const bulletin = new Bulletin(Bulletin.allocate(100_000));
	const reloads = new ReloadHistory();
	const sampler = new StatsSampler({
		source: {
			model: model as never,
			clock,
			frontends,
			backends,
			startedMonotonicMs: nowMs,
			processCounters: new CounterMemory(counterShape, CounterMemory.allocate(counterShape), 0).object(0),
			listenerCounters: () => {
				throw new Error('not asked for');
			},
		},
		tables,
		bulletin,
		refusals: new RefusalReader(rings, files),
		clock,
		generation: 3,
		startedAtMs: 1,
		keptEntries: 9,
		reloads,
		activeConnections: () => 5,
		describePeers: () => [
			{ name: 's', peers: [{ ...peer, pendingUpdates, lagMs, tables: peerTables() }] } as unknown as SectionDescription,
		],
		frontends: () => [],
		originStatuses: () => [{ origin: 'lb2', lagMs: 12 } as OriginStatus],
		limits: () => ({ maxconn: 7, connections: 0, sessions: 3, tls: 0 }),
	});
	const report = (): ControlReport => JSON.parse(bulletin.read(nowMs) ?? '{}') as ControlReport;
	const look = (): ControlReport => {
		nowMs += 2000;
		timers.pop()?.();
		return report();
	};

	sampler.start();
	t.equal(report().history.length, 1);
	t.equal(report().history[0]?.requestRate, 0, 'no rate before there are two looks');
	const [table] = tables.values();
	t.same(
		table === undefined ? [] : figuresOf(table).map(({ name }) => name),
		['http_req_rate(10000)', 'gpc0'],
		'a rate leads',
	);
	await waitFor('the keys', () => {
		sampler.publish();
		return report().tables[0]?.hottestAtMs !== undefined;
	});
	const hot = report().tables[0]?.hottest ?? [];
	t.same(
		hot.map(({ key, value }) => [key, value]),
		[
			['ann', 3],
			['bad', 2],
			['bob', 1],
		],
		'hottest first',
	);
	t.match(hot[1]?.refusedBy, { file: 'test.cfg', line: 11 }, 'the rule that refused it');
	t.equal(hot[0]?.refusedBy, undefined);
	t.equal(report().tables[0]?.used, 3);

	const counters = harness.counters('frontend', 'f');
	counters.slice[Column.req_tot] = (counters.slice[Column.req_tot] as number) + 40;
	pendingUpdates = 4;
	lagMs = 2000;
	const second = look();
	t.equal(second.history[1]?.requestRate, 20, 'per second');
	t.equal(second.history[1]?.connections, 5);
	t.match(second.peers[0], { pendingUpdates: 4, lagMs: 2000, tables: [{ name: 'x', pendingUpdates: 4, lagMs: 2000 }] });
	t.match(second.origins, [{ origin: 'lb2', lagMs: 12 }]);
	t.strictSame(second.limits, { maxconn: 7, connections: 0, sessions: 3, tls: 0 });

	for (let i = 0; i < 25; i++) {
		const succeeded = i % 5 !== 0;
		reloads.add({ atMs: i, generation: i, succeeded, tookMs: 1, reason: succeeded ? undefined : 'bad' });
	}
	for (let i = 0; i < 160; i++) look();
	const last = report();
	t.equal(last.history.length, 150, 'five minutes and no more');
	t.equal(last.tables[0]?.usedHistory.length, 150);
	t.equal(last.reloads.length, 20);
	t.same([last.reloadsSucceeded, last.reloadsFailed], [20, 5], 'all are counted');
	sampler.stop();
});
