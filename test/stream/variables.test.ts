import t from 'tap';
import type { SampleValue, VariableScope } from '../../lib/sample/types.js';
import { StreamVariables } from '../../lib/stream/variables.js';

t.test('scopes live as long as what they are named after', async (t) => {
	const session = { variables: undefined, processVariables: new Map<string, SampleValue>() };
	const first = new StreamVariables(session);
	const second = new StreamVariables(session);
	const scopes: readonly VariableScope[] = ['proc', 'sess', 'txn', 'req', 'res'];
	for (const scope of scopes) first.set(scope, 'x', scope);
	t.same(
		scopes.map((scope) => first.get(scope, 'x')),
		scopes,
	);
	t.same(
		scopes.map((scope) => second.get(scope, 'x')),
		['proc', 'sess', undefined, undefined, undefined],
	);
	first.endRequestScope();
	t.equal(first.get('req', 'x'), undefined);
	t.equal(first.get('txn', 'x'), 'txn');
	second.unset('sess', 'x');
	t.equal(first.get('sess', 'x'), undefined);
});

t.test('names of JavaScript are ordinary names', async (t) => {
	const variables = new StreamVariables({ variables: undefined, processVariables: new Map() });
	for (const name of ['__proto__', 'constructor', 'hasOwnProperty']) {
		t.equal(variables.get('txn', name), undefined);
		variables.set('txn', name, 1);
		t.equal(variables.get('txn', name), 1);
	}
});
