/** What the condition of a rule saw in stick tables (`option log-decision`). */
import t from 'tap';
import { compileCondition } from '../../lib/acl/condition.js';
import type { ConfigModel, ProxyModel } from '../../lib/config/model.js';
import { IpAddress } from '../../lib/core/address.js';
import { decisionText, notesSightings, takeSightings } from '../../lib/sample/sightings.js';
import { toText } from '../../lib/sample/values.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { TrackedCounter } from '../../lib/stick-table/tracked-counter.js';
import { fakeContext, fakeStream } from '../fixtures/stream-view.js';
import { tableModel } from '../stick-table/model.js';

const CLIENT = IpAddress.fromV4(0xc0000201);

function table(name: string, store: string): StickTable {
	const model = tableModel(store.split(' '), { name });
	return new StickTable(model, StickTable.allocate(model));
}

/** Evaluates a condition in a configuration with or without the option, and tells what was seen. */
function seen(words: string, withOption: boolean): string[] {
	const fe = table('fe', 'gpc0 gpc1 http_req_cnt');
	const context = fakeContext({ tables: { fe } });
	const proxies = context.model.proxies as unknown as { options: Pick<ProxyModel['options'], 'logDecision'> }[];
	proxies.push({ options: { logDecision: withOption } });
	const stream = fakeStream({ source: CLIENT.toString() });
	const entry = fe.track(CLIENT, stream.nowMs);
	if (entry === undefined) throw new Error('the table is full');
	const counter = new TrackedCounter(fe, entry);
	stream.session.trackers[0] = counter;
	stream.tracker = () => counter;
	const condition = compileCondition(`if ${words}`.split(' '), 0, context);
	if (condition === undefined) throw new Error(context.diagnostics.list.map(({ text }) => text).join(' / '));
	condition.test(stream);
	return takeSightings().map((one) => `${one.table} ${toText(one.key)} ${one.data}=${toText(one.value)}`);
}

t.test('only the group of terms that held is told, in its order, four values at most', (t) => {
	t.same(seen('{ sc0_inc_gpc0 gt 0 }', true), ['fe 192.0.2.1 gpc0=1']);
	t.same(seen('{ sc0_get_gpc0 gt 0 } || { src_inc_gpc1(fe) gt 0 } { sc_http_req_cnt(0) lt 5 }', true), [
		'fe 192.0.2.1 gpc1=1',
		'fe 192.0.2.1 http_req_cnt=0',
	]);
	t.same(seen('{ src,table_gpc0(fe) ge 0 } { src,in_table(fe) }', true), [
		'fe 192.0.2.1 gpc0=0',
		'fe 192.0.2.1 in_table=1',
	]);
	t.same(seen('{ always_true }', true), []);
	const five = Array.from({ length: 5 }, () => '{ sc0_inc_gpc0 gt 0 }').join(' ');
	t.equal(seen(five, true).length, 4);
	// Not stored: there was no value to see.
	t.same(seen('{ sc0_conn_cnt gt 0 }', true), []);
	t.end();
});

t.test('without the option nothing is noted', (t) => {
	t.same(seen('{ sc0_inc_gpc0 gt 0 } { src,table_gpc0(fe) ge 0 }', false), []);
	const model = { proxies: [] } as unknown as ConfigModel;
	t.equal(notesSightings(model), false);
	t.end();
});

t.test('the field of the log cannot be forged by a key', (t) => {
	const decision = { file: '/etc/a b.cfg', line: 3, rule: 'http-request deny' };
	t.equal(decisionText({ ...decision, sightings: [] }), '/etc/a b.cfg:3 http-request deny');
	const sighting = { table: 't', key: 'x\n" gpc0=7 #', data: 'gpc(2)', value: 9 };
	t.equal(
		decisionText({ ...decision, sightings: [sighting, { ...sighting, data: 'gpc0', value: true }] }),
		'/etc/a b.cfg:3 http-request deny table=t key=x#0A#22#20gpc0=7#20#23 gpc(2)=9 gpc0=1',
	);
	t.end();
});
