/** `do-resolve`: what it asks, what it makes of the answer, and what is wrong with a line. */
import t from 'tap';
import type { ResolversModel } from '../../lib/config/resolvers-model.js';
import { IpAddress } from '../../lib/core/address.js';
import { RuleWords } from '../../lib/rules/action.js';
import { RESOLUTION_ACTIONS } from '../../lib/rules/actions/resolution.js';
import { Verdict } from '../../lib/rules/verdict.js';
import { fakeControl } from '../fixtures/stream-control.js';
import { alertsOf, fakeContext } from '../fixtures/stream-view.js';

const section = { name: 'dns' } as ResolversModel;

function compile(line: string) {
	const base = fakeContext();
	const context = { ...base, model: { ...base.model, resolvers: [section] } };
	const action = RESOLUTION_ACTIONS[0]?.compile(new RuleWords(line.split(' '), context));
	return { action, texts: alertsOf(context) };
}

t.test('asks once, waits, and sets the variable', async (t) => {
	const { action, texts } = compile('do-resolve(txn.a,dns,ipv4) str(x.test)');
	t.same(texts, []);
	const stream = fakeControl();
	const answers: (ReturnType<typeof stream.takeNameAnswer> | undefined)[] = [
		undefined,
		'waiting',
		{ address: IpAddress.parse('10.0.0.1') },
	];
	stream.takeNameAnswer = () => answers.shift();
	t.equal(action?.(stream), Verdict.YIELD);
	t.same(stream.events, ['lookUpName dns x.test 4']);
	t.equal(action?.(stream), Verdict.YIELD, 'woken by something else');
	t.equal(action?.(stream), Verdict.CONTINUE);
	t.equal(String(stream.variables.get('txn', 'a')), '10.0.0.1');
	t.equal(stream.events.length, 1);
});

t.test('no answer, and what is no name', async (t) => {
	const stream = fakeControl();
	stream.takeNameAnswer = () => ({ address: undefined });
	t.equal(compile('do-resolve(txn.a,dns) str(x.test)').action?.(stream), Verdict.CONTINUE);
	t.equal(stream.variables.get('txn', 'a'), undefined);
	for (const text of ['a..b', '', '10.0.0.1', 'a/b', 'x'.repeat(300)]) {
		const one = fakeControl();
		t.equal(compile(`do-resolve(txn.a,dns) str(${text})`).action?.(one), Verdict.CONTINUE, text);
		t.same(one.events, []);
	}
});

t.test('faults', async (t) => {
	for (const [line, text] of [
		['do-resolve(txn.a) str(x)', /Can't parse 'do-resolve\(txn\.a\)'\. Expects 'do-resolve\(<varname>,<resolvers>/],
		['do-resolve str(x)', /Can't parse/],
		['do-resolve(txn.a,dsn) str(x)', /unable to find resolvers section 'dsn'.*dns/],
		['do-resolve(txn.a,dns,ipv5) str(x)', /unknown option 'ipv5'/],
		['do-resolve(foo.a,dns) str(x)', /foo/],
		['do-resolve(txn.a,dns)', /missing fetch method/],
	] as const) {
		t.match(compile(line).texts, [text], line);
	}
});
