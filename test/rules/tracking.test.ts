/** Stick counters by rules, on real tables (specification, sections 5, 6 and 12). */
import t from 'tap';
import type { StickTableModel } from '../../lib/config/model.js';
import { IpAddress } from '../../lib/core/address.js';
import type { RuleSite } from '../../lib/sample/types.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { fakeControl } from '../fixtures/stream-control.js';
import type { FakeStreamOptions } from '../fixtures/stream-view.js';
import { tableModel } from '../stick-table/model.js';
import { compile, rulesOf } from './support.js';

function table(name: string, store: string, fields: Partial<Omit<StickTableModel, 'store'>> = {}): StickTable {
	const model = tableModel(store.split(' '), { name, ...fields });
	return new StickTable(model, StickTable.allocate(model));
}

const CLIENT = IpAddress.fromV4(0xc0000201);

function read(one: StickTable, type: string, index = 0, key: IpAddress | number | string = CLIENT): number | undefined {
	const slot = one.slot(type);
	return slot === undefined ? undefined : one.readByKey(key, slot, index, 1_000_000);
}

function run(
	site: RuleSite,
	tables: Record<string, StickTable>,
	lines: readonly string[],
	options?: FakeStreamOptions,
) {
	const stream = fakeControl(options);
	const verdict = rulesOf(site, lines, { tables }).evaluate(stream, 0);
	return { stream, verdict };
}

t.test('track-sc pins the entry and counts the connection; requests are counted by the stream', (t) => {
	for (const site of ['tcp-request connection', 'tcp-request content', 'http-request', 'http-response'] as const) {
		const fe = table('fe', 'conn_cnt conn_cur http_req_cnt');
		const { stream, verdict } = run(site, { fe }, ['track-sc0 src'], { status: 404 });
		t.equal(verdict, 0);
		t.same(stream.events, ['track sc0 fe']);
		t.equal(read(fe, 'conn_cnt'), 1, site);
		t.equal(read(fe, 'conn_cur'), 1);
		t.equal(read(fe, 'http_req_cnt'), 0);
		stream.tracker(0)?.close(stream.nowMs);
		t.equal(read(fe, 'conn_cur'), 0);
	}
	t.end();
});

t.test('the first rule of a counter wins, another counter may take the same key', (t) => {
	const fe = table('fe', 'conn_cnt');
	const other = table('other', 'conn_cnt');
	const { stream } = run('http-request', { fe, other }, [
		'track-sc0 src',
		'track-sc0 src table other',
		'track-sc1 src table other',
		'track-sc2 req.hdr(none)',
	]);
	t.same(stream.events, ['track sc0 fe', 'track sc1 other']);
	t.equal(read(fe, 'conn_cnt'), 1);
	t.equal(read(other, 'conn_cnt'), 1);
	t.equal(stream.tracker(2), undefined);
	t.end();
});

t.test('a full table with nopurge leaves the counter untracked and the traffic alone', (t) => {
	const fe = table('fe', 'conn_cnt', { size: 1, nopurge: true });
	const other = IpAddress.parse('10.0.0.1');
	t.not(fe.track(other as IpAddress, 1_000_000), 0);
	const { stream, verdict } = run('http-request', { fe }, ['track-sc0 src', 'deny if { sc0_tracked }']);
	t.equal(verdict, 0);
	t.equal(stream.tracker(0), undefined);
	t.end();
});

t.test('keys that cannot be of the table are refused when the file is read', (t) => {
	const fe = table('fe', 'gpc0');
	t.match(
		compile('http-request', ['track-sc0 bool(true)'], { tables: { fe } }).alerts[0],
		/keys of type 'ip', which cannot be made from 'bool\(true\)'/,
	);
	t.same(compile('http-request', ['track-sc0 path'], { tables: { fe } }).alerts, []);
	const text = table('text', 'gpc0', { keyType: 'string', keyLengthBytes: 32 });
	t.same(compile('http-request', ['track-sc0 src table text'], { tables: { text } }).alerts, []);
	t.match(
		compile('http-request', ['track-sc0 src table tex'], { tables: { text } }).alerts[0],
		/did you mean 'text' \?/,
	);
	t.equal(
		compile('http-request', ['track-sc3 src table text'], { tables: { text }, stickCounters: 4 }).alerts.length,
		0,
	);
	t.end();
});

t.test('counters and tags', (t) => {
	const cases: readonly (readonly [
		store: string,
		rule: string,
		type: string,
		index: number,
		value: number | undefined,
	])[] = [
		['gpc0', 'sc-inc-gpc0(0)', 'gpc0', 0, 1],
		['gpc0', 'sc-inc-gpc0', 'gpc0', 0, 1],
		['gpc0_rate(10000)', 'sc-inc-gpc0(0)', 'gpc0_rate', 0, 1],
		['gpc1 gpc1_rate(10000)', 'sc-inc-gpc1(0)', 'gpc1_rate', 0, 1],
		['gpc0', 'sc-inc-gpc1(0)', 'gpc0', 0, 0],
		['gpc(3)', 'sc-inc-gpc0(0)', 'gpc', 0, 1],
		['gpc(3)', 'sc-inc-gpc1(0)', 'gpc', 1, 1],
		['gpc(3)', 'sc-inc-gpc(2,0)', 'gpc', 2, 1],
		['gpc(3)', 'sc-inc-gpc(3,0)', 'gpc', 2, 0],
		['gpc0', 'sc-inc-gpc(0,0)', 'gpc0', 0, 0],
		['gpc(3) gpc_rate(3,10000)', 'sc-add-gpc(1,0) 7', 'gpc', 1, 7],
		['gpc(3) gpc_rate(3,10000)', 'sc-add-gpc(1,0) 7', 'gpc_rate', 1, 7],
		['gpc(3)', 'sc-add-gpc(1,0) int(8),add(1)', 'gpc', 1, 9],
		['gpc(3)', 'sc-add-gpc(1,0) req.hdr(none)', 'gpc', 1, 0],
		['gpt0', 'sc-set-gpt0(0) 5', 'gpt0', 0, 5],
		['gpt0', 'sc-set-gpt0(0) 4294967297', 'gpt0', 0, 1],
		['gpt0', 'sc-set-gpt0(0) -1', 'gpt0', 0, 4294967295],
		['gpt(2)', 'sc-set-gpt0(0) int(6)', 'gpt', 0, 6],
		['gpt(2)', 'sc-set-gpt(1,0) path,length', 'gpt', 1, 5],
		['gpt(2)', 'sc-set-gpt(2,0) 9', 'gpt', 1, 0],
		['gpc0', 'sc-inc-gpc0(1)', 'gpc0', 0, 0],
	];
	for (const [store, rule, type, index, value] of cases) {
		const fe = table('fe', store);
		run('http-request', { fe }, ['track-sc0 src', rule]);
		t.equal(read(fe, type, index), value, `${store}: ${rule}`);
	}
	t.end();
});

t.test('one rule may meet counters of different tables', (t) => {
	const fe = table('fe', 'gpc0');
	const other = table('other', 'gpc(2)');
	const tables = { fe, other };
	const rules = rulesOf(
		'http-request',
		['track-sc0 src if { method GET }', 'track-sc0 src table other', 'sc-inc-gpc1(0)', 'sc-inc-gpc0(0)'],
		{ tables },
	);
	for (const method of ['GET', 'POST', 'GET']) rules.evaluate(fakeControl({ method }), 0);
	t.equal(read(fe, 'gpc0'), 2);
	t.equal(read(other, 'gpc', 0), 1);
	t.equal(read(other, 'gpc', 1), 1);
	t.end();
});

t.test('a rate limit', (t) => {
	const fe = table('fe', 'conn_rate(10000)');
	const rules = rulesOf('http-request', ['track-sc0 src', 'deny deny_status 429 if { sc_conn_rate(0) gt 3 }'], {
		tables: { fe },
	});
	const statuses = [1, 2, 3, 4, 5].map(() => {
		const stream = fakeControl();
		rules.evaluate(stream, 0);
		stream.tracker(0)?.close(stream.nowMs);
		return stream.reply?.status ?? 200;
	});
	t.same(statuses, [200, 200, 200, 429, 429]);
	t.end();
});
