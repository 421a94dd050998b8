import t from 'tap';
import { ConditionalBlocks, compareVersions, evaluateCondition, MAX_NESTING } from '../../lib/config/conditions.js';

const SUBJECT = {
	environment: new Map([['PATH', '/bin']]),
	version: '2.6.12',
	opensslVersion: '3.0.19',
	features: new Map([
		['OPENSSL', true],
		['LUA', false],
	]),
};

// As `haproxy -cc` of 2.6.12 answers; the last three predicates came later.
const VALUES: readonly (readonly [condition: string, value: boolean])[] = [
	['', false],
	['  ', false],
	['0', false],
	['1', true],
	['2', true],
	['-1', true],
	['01', true],
	['00', false],
	['defined(PATH)', true],
	['defined(NOPE)', false],
	['defined()', false],
	['defined', false],
	['defined( PATH )', false],
	['streq(a,b)', false],
	['streq(a,a)', true],
	['streq(a, a)', false],
	['streq(,)', true],
	['streq("a b",a b)', true],
	["streq('a,b','a,b')", true],
	['streq(a\\,b,"a,b")', true],
	['strneq(a,b)', true],
	['strneq(a,a)', false],
	['feature(OPENSSL)', true],
	['feature(openssl)', false],
	['feature(LUA)', false],
	['feature(NOPE)', false],
	['version_atleast(2.6)', true],
	['version_atleast(2.6.12)', true],
	['version_atleast(2.6.13)', false],
	['version_atleast(2.6.12-0)', true],
	['version_before(2.6.12)', false],
	['version_before(2.6.12-1)', true],
	['version_before(2.7-dev1)', true],
	['version_atleast(2.7-dev1)', false],
	['version_atleast(2.4-dev19)', true],
	['openssl_version_atleast(1.1.1)', true],
	['openssl_version_before(3.1)', true],
	['!1', false],
	['! 1', false],
	['!!1', true],
	['1&&0', false],
	['1 && 1 || 0', true],
	['0 && 0 || 1', true],
	['1 || 0 && 0', true],
	['(1 || 0) && 0', false],
	['0 || 0', false],
	['(1)', true],
	['( ( 1 ) )', true],
	['!(0)', true],
	['strstr(abc,b)', true],
	['enabled(OPENSSL)', true],
	['ssllib_name_startswith(OpenSSL)', true],
];

t.test('values', async (t) => {
	for (const [condition, value] of VALUES) {
		t.same(evaluateCondition(condition, SUBJECT), { ok: true, value }, `'${condition}'`);
	}
});

const REFUSED: readonly (readonly [condition: string, reason: RegExp])[] = [
	['streq(a)', /missing arguments \(got 1\/2\)/],
	['streq', /missing arguments/],
	['streq(a,a,a)', /expected '\)' before ',a\)'/],
	['streq(a,a', /expected '\)'/],
	['streq("a)', /expected '\)'/],
	['1 1', /unexpected character '1' at the end/],
	['1)', /unexpected character '\)' at the end/],
	['1x', /unexpected character 'x' at the end/],
	['1 & 1', /unexpected character '&' at the end/],
	['1 &&', /unparsable/],
	['&& 1', /unparsable/],
	['(1', /expected '\)' after/],
	['()', /unparsable conditional expression '\)'/],
	['!', /unparsable/],
	['foo', /unparsable/],
	['foo(x)', /unparsable/],
	['1 || foo', /unparsable/],
	['0 && foo', /unparsable/],
];

t.test('refused', async (t) => {
	for (const [condition, reason] of REFUSED) {
		const result = evaluateCondition(condition, SUBJECT);
		t.notOk(result.ok, `'${condition}' is refused`);
		if (!result.ok) t.match(result.reason, reason, `'${condition}'`);
	}
});

t.test('a deep expression is refused, not a stack overflow', async (t) => {
	const result = evaluateCondition('('.repeat(100_000), SUBJECT);
	t.match(!result.ok && result.reason, /too many nested/);
	t.equal(evaluateCondition(`${'!'.repeat(100_000)}1`, SUBJECT).ok, true, 'many negations are only long');
});

t.test('versions', async (t) => {
	const order = ['', '1', '2.5.9', '2.6-dev1', '2.6-dev12', '2.6-rc1', '2.6', '2.6.1-3', '2.6.2', '2.10', '3.0'];
	for (const [index, version] of order.entries()) {
		for (const [otherIndex, other] of order.entries()) {
			t.equal(
				Math.sign(compareVersions(version, other)),
				Math.sign(index - otherIndex),
				`'${version}' against '${other}'`,
			);
		}
	}
	t.equal(compareVersions('2.6', '2.6.0'), 0, 'absent components are zero');
	t.ok(compareVersions('1.0.2k', '1.0.2') > 0, 'letters of the former numbering of OpenSSL');
});

t.test('blocks', async (t) => {
	/** Lines: `i1`, `i0` for .if, `e1`, `e0` for .elif, `else`, `end`; the result marks which branch counted. */
	const run = (script: string): string => {
		const blocks = new ConditionalBlocks();
		return script
			.split(' ')
			.map((step, index) => {
				const directive =
					step === 'else' ? '.else' : step === 'end' ? '.endif' : step.startsWith('i') ? '.if' : '.elif';
				const refusal = blocks.take(directive, index, () => step.endsWith('1'));
				return refusal === undefined ? (blocks.active ? '+' : '-') : '!';
			})
			.join('');
	};
	t.equal(run('i1 end'), '++');
	t.equal(run('i0 end'), '-+');
	t.equal(run('i1 else end'), '+-+');
	t.equal(run('i0 else end'), '-++');
	t.equal(run('i0 e0 e1 e1 else end'), '--+--+', 'only the first branch that is true');
	t.equal(run('i0 i1 else end else end'), '----++', 'inside a branch that does not count nothing counts');
	t.equal(run('i1 i0 else end end'), '+-+++');
	t.equal(run('end'), '!');
	t.equal(run('else'), '!');
	t.equal(run('e1'), '!');
	t.equal(run('i1 else else end'), '+-!+');
	t.equal(run('i1 else e1 end'), '+-!+');

	const deep = new ConditionalBlocks();
	for (let i = 0; i < MAX_NESTING; i++)
		t.equal(
			deep.take('.if', i, () => true),
			undefined,
		);
	t.match(
		deep.take('.if', 100, () => true),
		/too many nested/,
	);
	t.equal(deep.openLine, MAX_NESTING - 1, 'the line of the innermost open block');
});

t.test('an expression is only evaluated where its value matters', async (t) => {
	const blocks = new ConditionalBlocks();
	blocks.take('.if', 1, () => true);
	blocks.take('.elif', 2, () => t.fail('a branch was taken already'));
	blocks.take('.if', 3, () => t.fail('the outer block does not count'));
	t.notOk(blocks.active);
});
