/** Converters of messages give HAProxy's values, over a corpus made from parts (message-corpus.ts). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { compileExpression } from '../../lib/sample/expression.js';
import type { CompileContext } from '../../lib/sample/types.js';
import { toText } from '../../lib/sample/values.js';
import { askHaproxy, type SampleCase } from '../fixtures/haproxy-samples.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { alertsOf, fakeContext, fakeStream } from '../fixtures/stream-view.js';
import { DIFFERENT, makeJwtKeys, messageExpressions } from './message-corpus.js';

function evaluate(text: string, context: CompileContext): string | undefined {
	const expression = compileExpression([text], 0, context, { oneWord: true })?.expression;
	const value = expression?.evaluate(fakeStream());
	return value === undefined ? undefined : toText(value);
}

t.test('values are those of HAProxy', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-messages-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	const keys = makeJwtKeys(folder);
	for (const [path, content] of Object.entries(keys.files)) writeFileSync(path, content);
	const context = fakeContext({ files: keys.files });
	const texts = [...messageExpressions(keys), ...DIFFERENT.map(([text]) => text)];
	const cases = texts.map((text): SampleCase => ({ kind: 'expression', text }));
	const [outcomes = []] = await askHaproxy(cases, [{ target: '/', headers: [['host', 'h']] }]);
	const different = new Map(DIFFERENT);
	let compared = 0;
	for (const [index, text] of texts.entries()) {
		const outcome = outcomes[index];
		const theirs = typeof outcome === 'object' ? outcome.value : undefined;
		const ours = evaluate(text, context);
		const reason = different.get(text);
		if (reason !== undefined) t.not(ours, theirs, reason);
		else if (ours !== theirs) t.equal(ours, theirs, text);
		compared++;
	}
	t.same(alertsOf(context), [], 'all compile');
	t.ok(compared > 2500, `${compared} expressions`);
});
