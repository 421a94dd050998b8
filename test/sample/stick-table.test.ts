/** Stick table fetches and converters on a real table: values, what is missing, side effects. */
import t from 'tap';
import type { StickTableModel, StoredDataModel } from '../../lib/config/model.js';
import { IpAddress } from '../../lib/core/address.js';
import { compileExpression } from '../../lib/sample/expression.js';
import type { StreamView } from '../../lib/sample/types.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { TrackedCounter } from '../../lib/stick-table/tracked-counter.js';
import { alertsOf, FAKE_PLACE, fakeContext, fakeStream } from '../fixtures/stream-view.js';

function table(
	name: string,
	keyType: StickTableModel['keyType'],
	store: readonly (string | [string, number])[],
): StickTable {
	const model: StickTableModel = {
		place: FAKE_PLACE,
		name,
		keyType,
		keyLengthBytes: keyType === 'ip' ? 4 : 32,
		size: 100,
		expireMs: 60_000,
		nopurge: false,
		recvOnly: false,
		writeTo: undefined,
		srvkey: 'name',
		store: store.map((one): StoredDataModel => {
			const [type, count] = typeof one === 'string' ? [one, undefined] : one;
			return { type, periodMs: type.includes('_rate') ? 10_000 : undefined, count };
		}),
		bratesFactor: 1,
		peers: undefined,
	};
	return new StickTable(model, StickTable.allocate(model));
}

const FULL = [
	'conn_cnt',
	'conn_cur',
	'http_req_cnt',
	'http_req_rate',
	'bytes_in_cnt',
	'gpc0',
	'gpc0_rate',
	'gpt0',
	'server_id',
] as const;

t.test('tracked, by source and by key', async (t) => {
	const own = table('fe', 'ip', FULL);
	const arrays = table('arr', 'ip', [
		['gpc', 3],
		['gpt', 2],
		['gpc_rate', 3],
	]);
	const text = table('txt', 'string', ['gpc0', 'conn_cnt']);
	const tables = { fe: own, arr: arrays, txt: text };
	const context = fakeContext({ tables });
	const source = IpAddress.parse('192.0.2.1');
	if (source === undefined) throw new Error('address');
	const nowMs = 1_000_000;
	const counter = new TrackedCounter(own, own.track(source, nowMs));
	const inArrays = new TrackedCounter(arrays, arrays.track(source, nowMs));
	const stream = fakeStream({ trackers: [counter, undefined, inArrays] });
	const at = (expression: string, on: StreamView = stream): unknown => {
		const compiled = compileExpression([expression], 0, context, { oneWord: true });
		if (compiled === undefined) throw new Error(alertsOf(context).join());
		return compiled.expression.evaluate(on);
	};
	const requests = own.slot('http_req_cnt');
	const bytes = own.slot('bytes_in_cnt');
	if (requests === undefined || bytes === undefined) throw new Error('slots');
	own.add(counter.entry, requests, 0, 7, nowMs);
	own.add(counter.entry, bytes, 0, 5000, nowMs);

	t.equal(at('sc0_http_req_cnt'), 7);
	t.equal(at('sc_http_req_cnt(0)'), 7);
	t.equal(at('sc0_http_req_cnt(fe)'), 7, 'its own table by name');
	t.equal(at('src_http_req_cnt'), 7);
	t.equal(at('src_http_req_cnt(fe)'), 7);
	t.equal(at('src,table_http_req_cnt(fe)'), 7);
	t.equal(at('src,table_http_req_cnt'), 7, 'the table of the proxy');
	t.equal(at('str(192.0.2.1),table_http_req_cnt(fe)'), 7, 'cast to the type of the key');
	t.equal(at('sc0_kbytes_in'), 4);
	t.equal(at('sc0_conn_cur'), 1);
	t.equal(at('sc0_trackers'), 1);
	t.equal(at('src,table_trackers(fe)'), 1);
	t.equal(at('src,in_table(fe)'), true);
	t.equal(at('sc0_tracked'), true);
	t.equal(String(at('sc0_key')), '192.0.2.1');

	t.equal(at('sc1_http_req_cnt'), undefined, 'not tracked');
	t.equal(at('sc1_tracked'), false);
	t.equal(at('sc0_http_err_cnt'), undefined, 'not stored');
	t.equal(at('src_http_err_cnt'), undefined, 'not stored, key present');
	t.equal(at('sc0_http_req_cnt(arr)'), undefined, 'not stored in the other table');
	const stranger = fakeStream({ source: '198.51.100.9' });
	t.equal(at('src_http_req_cnt', stranger), 0, 'absent');
	t.equal(at('src_http_err_cnt', stranger), 0, 'absent, even when not stored');
	t.equal(at('src,in_table(fe)', stranger), false);
	t.equal(at('src,table_expire(fe)', stranger), undefined);
	t.equal(at('src,table_expire(fe,-1)', stranger), -1);
	t.equal(at('src,table_idle(fe)'), 0);
	t.equal(at('src,table_expire(fe)'), 60_000);
	t.equal(at('table_cnt(fe)', stranger), 1, 'looking does not create');
	t.equal(at('table_avl(fe)'), 99);

	t.equal(at('sc0_inc_gpc0'), 1);
	t.equal(at('src_inc_gpc0'), 2);
	t.equal(at('sc0_get_gpc0'), 2);
	t.equal(at('sc0_gpc0_rate'), 2);
	t.equal(at('sc0_clr_gpc0'), 2, 'the value before');
	t.equal(at('sc0_get_gpc0'), 0);
	t.equal(at('sc0_gpc0_rate'), 2, 'the rate is not reset');
	t.equal(at('sc0_inc_gpc1'), 0, 'neither counter nor rate is stored');
	t.equal(at('src_inc_gpc0', stranger), 1, 'created');
	t.equal(at('table_cnt(fe)'), 2);
	t.equal(at('src_updt_conn_cnt', stranger), 1);
	t.equal(at('src_updt_conn_cnt', stranger), 2);
	t.equal(at('src,table_server_id(fe)'), 0);

	t.equal(at('sc_inc_gpc(1,2)'), 1);
	t.equal(at('sc_get_gpc(1,2)'), 1);
	t.equal(at('sc_gpc_rate(1,2)'), 1);
	t.equal(at('src_get_gpc(1,arr)'), 1);
	t.equal(at('src,table_gpc(1,arr)'), 1);
	t.equal(at('sc_get_gpc(3,2)'), undefined, 'beyond the array');
	t.equal(at('sc_get_gpt(0,2)'), 0);
	t.equal(at('sc2_get_gpc1'), 1, 'the array answers for gpc1');
	t.equal(at('str(AB%00CD),url_dec,table_gpc0(txt)'), 0);

	counter.close(nowMs);
	t.equal(at('sc0_http_req_cnt'), undefined, 'closed');
	t.same(alertsOf(context), []);
});

t.test('refused', async (t) => {
	const context = fakeContext();
	t.equal(compileExpression(['src_conn_cnt'], 0, context), undefined);
	t.match(alertsOf(context)[0], /no stick-table is declared in proxy 'fe'/);
	const other = fakeContext({ tables: { fe: table('fe', 'ip', ['gpc0']) } });
	t.equal(compileExpression(['src_updt_conn_cnt'], 0, other), undefined);
	t.match(alertsOf(other)[0], /does not store conn_cnt/);
	t.equal(compileExpression(['sc_get_gpc(100,0)'], 0, other), undefined);
	t.match(alertsOf(other)[1], /index must be between 0 and 99/);
});
