/** Conditions: logic, order of evaluation, waiting for input, named and predefined ACLs, flags, files, refusals. */
import t from 'tap';
import { checkAclLine } from '../../lib/acl/acl.js';
import { type Condition, compileCondition } from '../../lib/acl/condition.js';
import { PREDEFINED_ACLS } from '../../lib/acl/keywords.js';
import { patternRegistry } from '../../lib/sample/pattern-registry.js';
import type { CompileContext } from '../../lib/sample/types.js';
import { alertsOf, FAKE_PLACE, type FakeContextOptions, fakeContext, fakeStream } from '../fixtures/stream-view.js';

function condition(text: string, context: CompileContext = fakeContext()): Condition {
	const compiled = compileCondition(text.split(' '), 0, context);
	if (compiled === undefined) throw new Error(alertsOf(context).join('\n'));
	return compiled;
}

function error(text: string, options: FakeContextOptions = {}): string {
	const context = fakeContext(options);
	compileCondition(text.split(' '), 0, context);
	return alertsOf(context)[0] ?? 'accepted';
}

t.test('logic', async (t) => {
	const cases: readonly (readonly [string, boolean])[] = [
		['if TRUE', true],
		['unless TRUE', false],
		['if !TRUE', false],
		['if ! TRUE', false],
		['if !!TRUE', true],
		['if TRUE FALSE', false],
		['if TRUE FALSE or TRUE', true],
		['if FALSE || FALSE || TRUE', true],
		['if TRUE !FALSE', true],
		['unless FALSE or FALSE', true],
		['if { always_true } !{ always_false }'.replace('!{', '! {'), true],
		['if { path /path } { src 192.0.2.0/24 }', true],
	];
	for (const [text, expected] of cases) t.equal(condition(text).test(fakeStream()), expected, text);
});

t.test('what is not needed is not evaluated', async (t) => {
	const stream = fakeStream();
	const count = 'str(x),set-var(txn.seen) -m found';
	const seen = (): unknown => {
		const value = stream.variables.get('txn', 'seen');
		stream.variables.unset('txn', 'seen');
		return value;
	};
	condition(`if FALSE { ${count} }`).test(stream);
	t.equal(seen(), undefined, 'after a term that failed');
	condition(`if TRUE or { ${count} }`).test(stream);
	t.equal(seen(), undefined, 'after a group that holds');
	condition(`if TRUE { ${count} }`).test(stream);
	t.equal(seen(), 'x');
	condition(`if FALSE or { ${count} }`).test(stream);
	t.equal(seen(), 'x');
});

t.test('rules of tcp-request content wait for their input', async (t) => {
	const context = fakeContext({ site: 'tcp-request content' });
	const early = fakeStream({
		stream: { request: undefined, requestBufferComplete: false, requestBuffer: Buffer.from('GE') },
	});
	const late = fakeStream();
	t.equal(condition('if { path /path }', context).test(early), 'yield');
	t.equal(condition('if !{ path /path }'.replace('!{', '! {'), context).test(early), 'yield', 'negated too');
	t.equal(condition('if { path /path }', context).test(late), true);
	t.equal(condition('if { req.len gt 1 }', context).test(early), true, 'already decided');
	t.equal(condition('if { req.len gt 5 }', context).test(early), 'yield');
	t.equal(condition('if FALSE { path /path }', context).test(early), false, 'the other term decides');
	t.equal(condition('if { path /path } or TRUE', context).test(early), true, 'the other group decides');
	t.equal(condition('if WAIT_END', context).test(early), 'yield');
	t.equal(condition('if WAIT_END', context).test(late), true);
	t.equal(condition('unless { path /path }', context).test(early), 'yield');
	t.equal(condition('if { req.len gt 5 }').test(early), false, 'other rules do not wait');
});

t.test('named ACLs', async (t) => {
	const acls = [
		['local', 'src', '192.0.2.0/24'],
		['static', 'path_beg', '/static', '/img'],
		['static', 'path_end', '.css'],
		['TRUE', 'always_false'],
	];
	const context = fakeContext({ acls });
	t.equal(condition('if local', context).test(fakeStream()), true);
	t.equal(condition('if static', context).test(fakeStream({ target: '/a.css' })), true, 'the second line');
	t.equal(condition('if static', context).test(fakeStream({ target: '/img/x' })), true);
	t.equal(condition('if static', context).test(fakeStream({ target: '/x' })), false);
	t.equal(condition('if TRUE', context).test(fakeStream()), false, 'a declared name goes before a predefined one');
	t.match(error('if locl', { acls }), /no such ACL : 'locl'; did you mean 'local' \?/);
});

t.test('a line used by rules of several kinds is one set of patterns', async (t) => {
	const acls = [['numbered', 'hdr(host)', '-u', '9', 'example.com']];
	const context = fakeContext({ acls });
	for (const line of context.proxy?.acls ?? []) checkAclLine(line, context);
	const request = condition('if numbered', context);
	const balance = condition('if numbered', context.at(FAKE_PLACE, 'use_backend'));
	t.equal(request.test(fakeStream()), true);
	for (const index of patternRegistry(context).find('#9', 'acl')?.indexes.values() ?? []) index.clear();
	t.equal(request.test(fakeStream()), false);
	t.equal(balance.test(fakeStream()), false);
	t.equal(patternRegistry(context).list('acl').length, 1);
	t.same(context.diagnostics.list, []);
	const late = condition('if numbered', context.at(FAKE_PLACE, 'http-response'));
	t.match(context.diagnostics.list[0]?.text, /acl 'numbered' will never match/);
	t.equal(late.test(fakeStream()), false, 'and it does not');
});

t.test('every predefined ACL compiles', async (t) => {
	for (const name of PREDEFINED_ACLS.keys()) t.type(condition(`if ${name}`).test(fakeStream()), 'boolean', name);
	t.equal(condition('if HTTP_URL_ABS').test(fakeStream({ target: 'http://a/b' })), true);
	t.equal(condition('if METH_GET').test(fakeStream({ method: 'HEAD' })), true);
	t.equal(condition('if HTTP_2.0').test(fakeStream({ version: 20 })), true);
});

t.test('files and flags', async (t) => {
	const files = { '/exact': '# list\nCurl\n', '/any': 'mozilla\n', '/map': 'bot yes it is\n', '/net': '10.0.0.0/8\n' };
	const agent = (value: string) => fakeStream({ headers: { 'user-agent': value } });
	const context = fakeContext({ files });
	const mixed = condition('if { hdr(user-agent) -f /exact -i -f /any test }', context);
	t.equal(mixed.test(agent('Curl')), true);
	t.equal(mixed.test(agent('curl')), false, '-i is for what follows');
	t.equal(mixed.test(agent('MOZILLA')), true);
	t.equal(mixed.test(agent('Test')), true);
	t.equal(condition('if { hdr(user-agent) -M -f /map }', context).test(agent('bot')), true);
	t.equal(condition('if { src -f /net 192.0.2.1 }', context).test(fakeStream()), true);
	t.equal(condition('if { src -n 192.0.2.1 }', context).test(fakeStream()), true);
	t.equal(condition('if { path -m beg -u 77 /p }', context).test(fakeStream()), true);
	t.equal(patternRegistry(context).find('#77', 'acl')?.indexes.size, 1);
	t.match(error('if { path -f /none }', { files }), /failed to open pattern file <\/none>/);
	t.match(error('if { src -f /exact }', { files }), /in pattern file <\/exact> line 2/);
	compileCondition('if { path -u 77 /q }'.split(' '), 0, context);
	t.match(alertsOf(context)[0], /unique id '77' is already used/);
});

t.test('refusals', async (t) => {
	t.match(error('if'), /'if' expects an ACL/);
	t.match(error('if !'), /an ACL is expected after '!'/);
	t.match(error('if or TRUE'), /'or' must follow an ACL/);
	t.match(error('if TRUE or'), /an ACL is expected after 'or'/);
	t.match(error('if { path'), /missing closing '}' in condition/);
	t.match(error('when TRUE'), /'if' or 'unless' expected, not 'when'/);
	t.match(error('if { pathh /a }'), /unknown fetch method 'pathh' in ACL expression 'pathh'; did you mean 'path/);
	t.match(error('if { path -m foo a }'), /unknown matching method 'foo' when parsing ACL expression/);
	t.match(error('if { path -q a }'), /'-q' is not a valid ACL option/);
	t.match(error('if { bin(aa) aa }'), /matching method must be specified first \(using '-m'\)/);
	t.match(error('if { always_true -m ip 1 }'), /matching method 'ip' cannot be used with fetch keyword 'always_true'/);
	t.match(error('if { path_reg ( }'), /regex '\(' is invalid/);
	t.match(error('if { int(1) a }'), /'a' is not a number/);
	t.match(error('if { int(1) gt }'), /operator 'gt' expects a number/);
	t.match(error('if { src 10.0.0.1/33 }'), /'10\.0\.0\.1\/33' is not a valid IPv4 or IPv6 address/);
	t.match(error('if { fc_rtt a }'), /'fc_rtt' is not supported by holdfast/);
	t.match(error('if { path -f /a -m beg }', { files: { '/a': 'x' } }), /'-m' must only be specified before/);
});

t.test('warnings', async (t) => {
	const warning = (text: string, options: FakeContextOptions = {}): string | undefined => {
		const context = fakeContext(options);
		compileCondition(text.split(' '), 0, context);
		return context.diagnostics.list.find((item) => item.severity === 'warning')?.text;
	};
	t.match(warning('if { path }'), /no pattern to match against/);
	t.equal(warning('if { path -- }'), undefined);
	t.equal(warning('if { path -m found }'), undefined);
	t.match(warning('if { status 200 }'), /will never match because it uses keyword 'status'.*http-request rule/);
	t.match(
		warning('if { path / }', { site: 'tcp-request connection' }),
		/incompatible with 'listen tcp-request connection rule'/,
	);
});

t.test('acl lines are checked even where nothing uses them', async (t) => {
	const check = (...words: string[]): string | undefined => {
		const context = fakeContext();
		checkAclLine({ place: FAKE_PLACE, words }, context);
		return alertsOf(context)[0];
	};
	t.equal(check('ok', 'path', '/a'), undefined);
	t.equal(check('later', 'res.hdr(a)', 'b'), undefined);
	t.match(check('x!', 'path', '/a'), /character '!' is not permitted in acl name 'x!'/);
	t.match(check('x', 'nope'), /error detected while parsing ACL 'x' : unknown fetch method 'nope'/);
	t.match(check('or', 'path'), /reserved word/);
	t.match(check('x'), /missing fetch method/);
});
