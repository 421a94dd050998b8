/** Times and outcomes as fetches, and `when`, which asks of them. */
import t from 'tap';
import { compileExpression } from '../../lib/sample/expression.js';
import { parseLogFormat } from '../../lib/sample/log-format.js';
import type { RuleSite, StreamView } from '../../lib/sample/types.js';
import { alertsOf, FIXED_WALL_MS, fakeContext, fakeServer, fakeStream } from '../fixtures/stream-view.js';

function value(text: string, stream: StreamView, site: RuleSite = 'log-format') {
	const context = fakeContext({ site });
	const compiled = compileExpression([text], 0, context, { oneWord: true });
	if (compiled === undefined) throw new Error(alertsOf(context).join());
	return compiled.expression.evaluate(stream);
}

t.test('the fetches show what the log format shows', async (t) => {
	const stream = fakeStream({ status: 503, log: { terminationState: 'SC--', retries: 2, redispatched: true } });
	const context = fakeContext({ site: 'log-format' });
	for (const [fetch, alias] of [
		['fc.timer.handshake', '%Th'],
		['fc.timer.total', '%Tt'],
		['req.timer.idle', '%Ti'],
		['req.timer.hdr', '%TR'],
		['req.timer.tq', '%Tq'],
		['req.timer.queue', '%Tw'],
		['bc.timer.connect', '%Tc'],
		['res.timer.hdr', '%Tr'],
		['res.timer.data', '%Td'],
		['txn.timer.total', '%Ta'],
		['txn.timer.user', '%Tu'],
		['txn.sess_term_state', '%ts'],
		['txn.status', '%ST'],
	] as const) {
		const format = parseLogFormat(alias, context);
		if ('error' in format) throw new Error(format.error);
		t.equal(String(value(fetch, stream)), format.render(stream), `${fetch} ${alias}`);
	}
	t.equal(value('txn.conn_retries', stream), 2);
	t.equal(value('txn.redispatched', stream), true);
});

t.test('dates in their units', async (t) => {
	const stream = fakeStream();
	t.equal(value('accept_date', stream, 'http-request'), Math.floor(FIXED_WALL_MS / 1000));
	t.equal(value('request_date(ms)', stream, 'http-request'), FIXED_WALL_MS);
	t.equal(value('request_date(us)', stream, 'http-request'), FIXED_WALL_MS * 1000);
	t.throws(() => value('accept_date(h)', stream, 'http-request'), /'h' is not a unit/);
	t.throws(() => value('txn.timer.total', stream, 'http-request'), /none of which is available here/);
});

t.test('when', async (t) => {
	const good = fakeStream({ status: 200, log: { terminationState: '----' } });
	const bad = fakeStream({ status: 503, log: { terminationState: 'SC--' } });
	const ours = fakeStream({ status: 200, log: { terminationState: 'LR--', serviceName: '<STATS>' } });
	const seen = (text: string) => [good, bad, ours].map((stream) => value(text, stream) !== undefined);
	t.same(seen('str(x),when(error)'), [false, true, false]);
	t.same(seen('str(x),when(normal)'), [true, false, true]);
	t.same(seen('str(x),when(!error)'), [true, false, true]);
	t.same(seen('str(x),when(toapplet)'), [false, false, true]);
	t.same(seen('str(x),when(stopping)'), [false, false, false]);
	t.equal(value('int(5),when(normal),add(1)', good), 6, 'types stay');
	t.throws(() => value('str(x),when(acl)', good), /'acl' is not supported by holdfast/);
	t.throws(() => value('str(x),when(nope)', good), /expects one of error, normal/);
	t.equal(fakeServer().backup, undefined);
});
