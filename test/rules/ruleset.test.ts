/** Walking a set: order, waiting for input, errors, and the replies of a proxy by status. */
import t from 'tap';
import type { ErrorReplyModel } from '../../lib/config/model.js';
import { parseErrorFile } from '../../lib/rules/error-file.js';
import { compileErrorReplies, ErrorReplies, resolveErrorReply } from '../../lib/rules/error-replies.js';
import { forEachListValue } from '../../lib/rules/list-values.js';
import { Verdict } from '../../lib/rules/verdict.js';
import { fakeControl } from '../fixtures/stream-control.js';
import { alertsOf, fakeContext } from '../fixtures/stream-view.js';
import { compile, rulesOf } from './support.js';

t.test('a content rule waits for input and goes on where it stopped', (t) => {
	const rules = rulesOf('tcp-request content', ['set-var-fmt(txn.seen) x', 'accept if { req.len gt 3 }', 'reject']);
	const stream = fakeControl({ body: '', bodyComplete: false });
	t.equal(rules.evaluate(stream, 0), Verdict.YIELD);
	t.equal(rules.resumeAt, 1);
	t.same(stream.events, []);
	Object.assign(stream, { requestBuffer: Buffer.from('abcd') });
	t.equal(rules.evaluate(stream, 1), Verdict.STOP);
	t.same(stream.events, ['decision rules.cfg:2']);
	// The inspect-delay is over: what is still undecided does not match.
	const late = fakeControl({ body: '', bodyComplete: true });
	t.equal(rules.evaluate(late, 1), Verdict.ABORT);
	t.end();
});

t.test('an action whose value may still come waits too', (t) => {
	const rules = rulesOf('tcp-request content', ['set-var(txn.head) req.payload(0,3)']);
	const stream = fakeControl({ body: 'a', bodyComplete: false });
	t.equal(rules.evaluate(stream, 0), Verdict.YIELD);
	Object.assign(stream, { requestBuffer: Buffer.from('abcd') });
	t.equal(rules.evaluate(stream, rules.resumeAt), Verdict.CONTINUE);
	t.same(stream.variables.get('txn', 'head'), Buffer.from('abc'));
	t.end();
});

t.test('strict-mode is on again for the next set', (t) => {
	const off = rulesOf('http-request', ['strict-mode off', "set-path '/a b'"]);
	const on = rulesOf('http-request', ["set-path '/a b'"]);
	const stream = fakeControl();
	t.equal(off.evaluate(stream, 0), Verdict.CONTINUE);
	t.equal(on.evaluate(stream, 0), Verdict.ERROR);
	t.same(stream.events, ['failed rewrite', 'failed rewrite', 'decision rules.cfg:1']);
	t.end();
});

t.test('a field of a reply without a value is left out', (t) => {
	const stream = fakeControl();
	t.equal(rulesOf('http-request', ['return hdr x %[req.hdr(none)]']).evaluate(stream, 0), Verdict.DONE);
	t.same(stream.reply?.headers.names, ['content-length']);
	t.end();
});

t.test('replies are not shared between requests', (t) => {
	const rules = rulesOf('http-request', ['return status 200 content-type a/b string x hdr a b']);
	const first = fakeControl();
	rules.evaluate(first, 0);
	first.reply?.headers.add('added', 'later');
	const second = fakeControl();
	rules.evaluate(second, 0);
	t.same(second.reply?.headers.names, ['a', 'content-length', 'content-type']);
	t.end();
});

t.test('errorfiles of an http-errors section', (t) => {
	const place = { file: 'rules.cfg', line: 9 };
	const content = 'HTTP/1.1 404 Gone Fishing\nX: y\n\nbody';
	const httpErrors = [
		{
			place,
			name: 'pages',
			replies: new Map<number, ErrorReplyModel>([[404, { kind: 'file', place, path: 'p', content }]]),
		},
	];
	const stream = fakeControl();
	rulesOf('http-request', ['deny status 404 errorfiles pages'], { httpErrors }).evaluate(stream, 0);
	t.equal(stream.reply?.reason, 'Gone Fishing');
	t.equal(stream.reply?.body.toString(), 'body');
	t.match(
		compile('http-request', ['deny status 404 errorfiles page'], { httpErrors }).alerts[0],
		/did you mean 'pages' \?/,
	);
	t.end();
});

t.test('error replies: file, redirect, http-error, standard page', (t) => {
	const place = { file: 'rules.cfg', line: 3 };
	const context = fakeContext();
	const replies = compileErrorReplies(
		{
			errorReplies: new Map<number, ErrorReplyModel>([
				[
					503,
					{ kind: 'file', place, path: 'e', content: 'HTTP/1.0 503 Foo bar\r\nCache-Control: no-cache\r\n\r\nsorry' },
				],
				[504, { kind: 'redirect', place, status: 302, location: 'http://x/y' }],
				[
					410,
					{ kind: 'reply', place, words: ['status', '410', 'content-type', 'text/plain', 'lf-string', 'gone %[path]'] },
				],
			]),
		},
		context,
	);
	t.same(alertsOf(context), []);
	if (replies === undefined) return t.end();
	const stream = fakeControl();
	const text = (status: number): string => {
		const reply = replies.get(status, stream);
		return `${reply.status} ${reply.reason} ${reply.headers.names.join(',')} ${reply.body.toString()}`;
	};
	t.equal(text(503), '503 Foo bar cache-control sorry');
	t.equal(text(504), '302 Found cache-control,content-length,location ');
	t.equal(text(410), '410 Gone content-length,content-type gone /path');
	t.match(replies.get(410).body.toString(), /will not be available again/, 'no stream to render it for');
	t.match(text(404), /^404 Not Found .*The resource could not be found/s);
	t.match(text(599), /^500 Internal Server Error/);
	t.equal(resolveErrorReply(new ErrorReplies(), replies, 504, stream).status, 302, 'the frontend stands in');
	t.equal(resolveErrorReply(replies, new ErrorReplies(), 504, stream).status, 302);
	t.end();
});

t.test('faulty error replies are named by their line', (t) => {
	const place = { file: 'rules.cfg', line: 4 };
	for (const [model, text] of [
		[{ kind: 'file', place, path: 'e.http', content: 'x' }, /errorfile 500 'e.http' : unable to parse headers/],
		[{ kind: 'redirect', place, status: 303, location: 'a\nb' }, /errorloc303 500 : control character/],
		[{ kind: 'reply', place, words: ['string', 'x'] }, /a content type must be defined/],
		[{ kind: 'reply', place, words: ['status', '500', 'bogus'] }, /unexpected word 'bogus'/],
	] as readonly (readonly [ErrorReplyModel, RegExp])[]) {
		const context = fakeContext();
		t.equal(compileErrorReplies({ errorReplies: new Map([[500, model]]) }, context), undefined);
		t.match(alertsOf(context)[0], text);
		t.same(context.diagnostics.list[0]?.place, place);
	}
	t.end();
});

t.test('parseErrorFile', (t) => {
	for (const bad of [
		'',
		'HTTP/1.1 200 OK\r\n',
		'HTTP/1.1 20 OK\r\n\r\n',
		'HTTP/1.1 101 Up\r\n\r\n',
		'HTTP/1.1 200 OK\r\nno colon\r\n\r\n',
		'HTTP/1.1 200 OK\r\n: empty\r\n\r\n',
		'HTTP/1.1 200 OK\r\na b: c\r\n\r\n',
		'HTTP/1.1 200 OK\r\na: \x01\r\n\r\n',
		'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n',
		'HTTP/1.1 304 Not Modified\r\n\r\nbody',
	]) {
		t.type(parseErrorFile(bad), 'string', JSON.stringify(bad));
	}
	const good = parseErrorFile('HTTP/1.1 200 OK\r\n__proto__: 1\r\nContent-Length: 2\r\n\r\nab');
	t.type(good, 'object');
	if (typeof good !== 'string') t.same(good.headers.names, ['__proto__', 'content-length']);
	t.end();
});

t.test('forEachListValue keeps what stands between the values, but for blanks before a changed one', (t) => {
	for (const [list, expected] of [
		['a', '<a>'],
		['a, b', '<a>,<b>'],
		[' a ,b ', ' <a> ,<b> '],
		['"a,b",c', '<"a,b">,<c>'],
		['"a\\",b",c', '<"a\\",b">,<c>'],
		['a,,b', '<a>,<>,<b>'],
		['a,"b', '<a>,<"b>'],
		['a,"b\\', '<a>,<"b\\>'],
	] as const) {
		t.equal(
			forEachListValue(list, (value) => `<${value}>`),
			expected,
			list,
		);
	}
	t.end();
});
