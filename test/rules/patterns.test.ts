/** Rules that change maps and ACLs: what the next rule sees, and what other threads are told. */
import t from 'tap';
import { compileExpression } from '../../lib/sample/expression.js';
import { entriesOf } from '../../lib/sample/pattern-change.js';
import { patternRegistry } from '../../lib/sample/pattern-registry.js';
import type { SharedChange } from '../../lib/sample/shared-change.js';
import type { RuleSite } from '../../lib/sample/types.js';
import { fakeControl } from '../fixtures/stream-control.js';
import { compile, type RuleTestOptions, verdictName } from './support.js';

const FILES = { 'm.map': 'k old\nother x\n', 'a.lst': '10.0.0.1\n' };

function setup(site: RuleSite, lines: readonly string[], options: RuleTestOptions = {}) {
	const told: SharedChange[] = [];
	const compiled = compile(site, lines, {
		files: FILES,
		process: { share: (change) => told.push(change) },
		...options,
	});
	const map = compileExpression(['var(req.k),map(m.map,none)'], 0, compiled.context)?.expression;
	const list = (usedBy: 'acl' | 'map', file: string): string[] => {
		const reference = patternRegistry(compiled.context).find(file, usedBy);
		return reference === undefined
			? []
			: Array.from(entriesOf(reference), ({ text, data }) => `${text} ${data}`.trim());
	};
	return { ...compiled, told, map, list };
}

for (const site of [
	'http-request',
	'http-response',
	'http-after-response',
	'tcp-request connection',
	'tcp-request content',
	'tcp-response content',
] as const) {
	t.test(`set-map and del-map of ${site}`, async (t) => {
		const { rules, alerts, told, map, list } = setup(site, [
			'set-map(m.map) %[var(sess.k)] %[var(sess.v)]',
			'set-map(m.map) other x',
			'del-map(m.map) %[var(sess.gone)]',
			'del-map(m.map) nobody',
		]);
		t.same(alerts, []);
		const run = (k: string, v: string, gone: string): void => {
			const stream = fakeControl({ variables: { 'sess.k': k, 'sess.v': v, 'sess.gone': gone, 'req.k': k } });
			t.equal(verdictName(rules?.evaluate(stream, 0) ?? -1), 'CONTINUE');
			t.equal(map?.evaluate(stream), k === gone ? 'none' : v, 'the next rule sees it');
		};
		run('k', 'new', 'x');
		run('k2', 'two', 'x');
		t.same(list('map', 'm.map'), ['k new', 'other x', 'k2 two']);
		run('k2', 'two', 'k');
		t.same(list('map', 'm.map'), ['other x', 'k2 two']);
		t.same(
			told.flatMap((change) => (change.kind === 'patterns' ? change.steps.map((step) => step.step) : [])),
			['put', 'put', 'delete'],
			'what changes nothing is not told',
		);
	});
}

t.test('add-acl and del-acl', async (t) => {
	const { rules, told, list } = setup('http-request', [
		'deny if { src -f a.lst }',
		'add-acl(a.lst) %[req.hdr(add)] if { req.hdr(add) -m found }',
		'del-acl(a.lst) %[req.hdr(del)] if { req.hdr(del) -m found }',
	]);
	const run = (headers: Record<string, string>): string =>
		verdictName(rules?.evaluate(fakeControl({ headers, source: '10.0.0.2' }), 0) ?? -1);
	t.equal(run({ add: '10.0.0.2' }), 'CONTINUE');
	t.equal(run({}), 'DENY');
	t.same(list('acl', 'a.lst'), ['10.0.0.1', '10.0.0.2']);
	const { rules: again, list: other } = setup('http-request', [
		'add-acl(a.lst) 10.0.0.1',
		'add-acl(a.lst) 10.0.0.0/8',
		'add-acl(a.lst) no-address',
		'del-acl(a.lst) 10.0.0.1',
		'del-acl(a.lst) 10.0.0.1',
		'deny if { src -f a.lst }',
	]);
	t.equal(verdictName(again?.evaluate(fakeControl({ source: '10.0.0.1' }), 0) ?? -1), 'DENY', 'by the network');
	t.same(other('acl', 'a.lst'), ['10.0.0.0/8'], 'no duplicates, no patterns that are none');
	t.equal(told.length, 1);
});

t.test('refusals and the warning', async (t) => {
	for (const [line, text] of [
		['set-map(m.map) a', /expects exactly 2 arguments/],
		['set-map(m.map) a b c', /expects exactly 2 arguments/],
		['del-map(m.map)', /expects exactly 1 arguments/],
		['add-acl() a', /name of a file/],
		['add-acl(a.lst) %[nope]', /unknown fetch method 'nope'/],
		['set-map a b', /name of a file/],
	] as const) {
		t.match(compile('http-request', [line], { files: FILES }).alerts[0], text, line);
	}
	const { context } = setup('http-request', ['set-map(n.map) a b', 'set-map(m.map) a b']);
	const registry = patternRegistry(context);
	registry.warnOfUnread(context.diagnostics);
	const warnings = context.diagnostics.list.filter(({ severity }) => severity === 'warning').map(({ text }) => text);
	t.same(warnings, [
		"'set-map(n.map)' has no effect: no map of this configuration reads that file; did you mean 'm.map' ?",
	]);
});
