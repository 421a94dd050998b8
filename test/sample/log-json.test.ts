/** Log formats as JSON (HAProxy 3.0). */
import t from 'tap';
import { compileLogFormat } from '../../lib/sample/log-format.js';
import { jsonString } from '../../lib/sample/log-json.js';
import { fakeContext, fakeStream } from '../fixtures/stream-view.js';

function rendered(text: string, options: Parameters<typeof fakeStream>[0] = {}): string {
	const context = fakeContext({ site: 'log-format', stickCounters: 3 });
	const format = compileLogFormat(text, context);
	if (format === undefined) throw new Error(context.diagnostics.list.map((item) => item.text).join(' / '));
	return format.render(fakeStream(options));
}

t.test('one member for each item with a name', async (t) => {
	const source = '192.0.2.1';
	t.equal(
		rendered('%{+json}o text %(client)ci %cp %(status)ST, %(expr)[str(custom)] %[str(unnamed)]', {
			source,
			status: 200,
		}),
		'{"client": "192.0.2.1", "status": 200, "expr": "custom"}',
	);
	t.equal(rendered('%{+json}o'), '{}');
	t.same(
		JSON.parse(
			rendered(
				'%{+json}o %(int)[int(7)] %(yes)[bool(true)] %(none)[var(txn.none)] %(q)[str("a\\"b")] %(ip)[src] %(ms)ms',
				{
					source,
				},
			),
		),
		{ int: 7, yes: true, none: null, q: 'a"b', ip: source, ms: 89 },
	);
	// Flags of texts mean nothing here.
	t.equal(rendered('%{+json,+Q,+X}o %(a)f %(n)[int(255)]'), '{"a": "fe", "n": 255}');
	t.equal(rendered('%{+json}o %(a){+Q}f'), '{"a": "fe"}');
});

t.test('types', async (t) => {
	t.equal(
		rendered(
			'%{+json}o %(a:str)[int(7)] %(b:sint)[str(12)] %(c:bool)[int(0)] %(d:bool)[int(2)] %(e:sint)[str(x)] %(f:str)ST',
			{
				status: 404,
			},
		),
		'{"a": "7", "b": 12, "c": false, "d": true, "e": null, "f": "404"}',
	);
	t.equal(rendered('%{+json}o %(long)[int(9223372036854775807)]'), '{"long": 9223372036854775807}');
});

t.test('one value alone, and names without JSON', async (t) => {
	t.equal(
		rendered('a=%{+json}[str("x\\"y")] b=%{+json}ST c=%{+json}[var(txn.none)]', { status: 200 }),
		'a="x\\"y" b=200 c=null',
	);
	t.equal(rendered('%(name)f-%(other){+Q}[str(x)]'), 'fe-"x"');
});

t.test('whatever the bytes are, the line is JSON', async (t) => {
	const utf8 = Buffer.from('é€😀').toString('latin1');
	t.equal(jsonString(utf8), `"${utf8}"`);
	t.equal(jsonString('\xe9\xff'), '"\\u00e9\\u00ff"');
	for (let code = 0; code < 256; code++) {
		const char = String.fromCharCode(code);
		const text = Buffer.from(jsonString(`a${char}b`), 'latin1').toString('utf8');
		t.equal(JSON.parse(text), `a${char}b`, `byte ${code}`);
	}
});
