/** `set-var` and `set-var-fmt` of `global`: what is refused, and what is there before the first connection. */
import t from 'tap';
import { setGlobalVariables } from '../../lib/compile/global-variables.js';
import { ProcessVariables } from '../../lib/stream/process-variables.js';
import { fakeContext } from '../fixtures/stream-view.js';

function set(...lines: readonly string[]) {
	const context = fakeContext({ site: 'global' });
	const variables = new ProcessVariables(() => t.fail('nobody needs to be told'));
	setGlobalVariables(
		lines.map((line, index) => ({ place: { file: 'x.cfg', line: index + 1 }, words: line.split(' ') })),
		variables,
		context,
	);
	return { remarks: context.diagnostics.list.map(({ severity, text }) => `${severity}: ${text}`), variables };
}

t.test('in the order of the file', async (t) => {
	const { remarks, variables } = set(
		'set-var proc.a str(x),concat(y)',
		'set-var proc.b int(3),add(2)',
		'set-var-fmt proc.c %[var(proc.a)]-%[var(proc.b)]',
		'set-var proc.d str(x),set-var(proc.e),length',
		'set-var proc.f ipv4(10.0.0.1)',
	);
	t.same(remarks, []);
	t.same(
		['a', 'b', 'c', 'd', 'e'].map((name) => variables.get(name)),
		['xy', 5, 'xy-5', 1, 'x'],
	);
	t.equal(String(variables.get('f')), '10.0.0.1', 'addresses survive being sent to a thread');
	const other = new ProcessVariables();
	for (const [name, value] of variables.plain()) other.receive(name, structuredClone(value));
	t.equal(String(other.get('f')), '10.0.0.1');
	t.equal(other.get('c'), 'xy-5');
});

t.test('refused', async (t) => {
	for (const [line, text] of [
		['set-var txn.a str(x)', /alert: 'set-var': cannot set variable 'txn.a', only scope 'proc' is permitted/],
		['set-var a str(x)', /alert: invalid variable name 'a'/],
		['set-var proc.a src', /alert: .*'src' extracts information from 'client-side connection', none of which/],
		['set-var proc.a be_conn', /alert: .*'be_conn' extracts information from 'internal state', none of which/],
		['set-var proc.a var(proc.nothing)', /alert: .* has no value here/],
		['set-var-fmt proc.a %ci', /alert: .*'ci' shows a stream/],
		['set-var proc.a str(x),nope', /alert: .*unknown converter 'nope'/],
		['set-var proc.a str(x) y', /warning: .*'y' and what follows is ignored/],
	] as const) {
		t.match(set(line).remarks[0], text, line);
	}
});

t.test('what is told to other threads', async (t) => {
	const told: string[] = [];
	const variables = new ProcessVariables((change) => told.push(JSON.stringify(change)));
	variables.set('a', 1);
	variables.set('a', 1);
	variables.set('a', Buffer.from('x'));
	variables.delete('a');
	variables.delete('a');
	t.same(told, [
		'{"kind":"process-variable","name":"a","value":1}',
		'{"kind":"process-variable","name":"a","value":{"bytes":{"0":120}}}',
		'{"kind":"process-variable","name":"a"}',
	]);
});
