/** Texts of any kind are compiled or refused: never an exception, never a hang. Seeded. */
import fc from 'fast-check';
import t from 'tap';
import { compileCondition } from '../../lib/acl/condition.js';
import { parseExpression } from '../../lib/sample/expression.js';
import { parseLogFormat } from '../../lib/sample/log-format.js';
import { compileRegex } from '../../lib/sample/regex.js';
import { alertsOf, fakeContext, fakeStream } from '../fixtures/stream-view.js';
import { EXPRESSIONS, FORMATS } from './corpus.js';

const SEED = 5489;
const PIECES = [
	...'()[]{}",\'\\ %+-.:!|*?^$#=/',
	'path',
	'hdr',
	'src',
	'str',
	'lower',
	'regsub',
	'map',
	'txn.a',
	'if',
	'-m',
	'-f',
	'-i',
	'reg',
	'1',
	'\0',
	'\xff',
];
const text = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join(''));

/** A valid text with one char dropped, doubled or replaced. */
const damaged = fc
	.tuple(
		fc.constantFrom(...EXPRESSIONS, ...FORMATS),
		fc.nat(200),
		fc.constantFrom('drop', 'double', 'cut'),
		fc.constantFrom(...PIECES),
	)
	.map(([valid, at, how, piece]) => {
		const i = at % (valid.length + 1);
		if (how === 'cut') return valid.slice(0, i);
		return how === 'drop' ? valid.slice(0, i) + valid.slice(i + 1) : valid.slice(0, i) + piece + valid.slice(i);
	});

t.test('random texts', async (t) => {
	t.comment(`seed ${SEED}`);
	const stream = fakeStream();
	fc.assert(
		fc.property(fc.oneof(text, damaged), (one) => {
			const context = fakeContext();
			const expression = parseExpression([one], 0, context, { oneWord: true });
			if ('expression' in expression) expression.expression.evaluate(stream);
			const format = parseLogFormat(one, context);
			if (!('error' in format)) format.render(stream);
			const regex = compileRegex(one);
			if (typeof regex !== 'string') regex.test('some text (to) match');
		}),
		{ seed: SEED, numRuns: 3000 },
	);
	t.pass('no exception');
});

t.test('random conditions', async (t) => {
	t.comment(`seed ${SEED}`);
	const word = fc.oneof(
		fc.constantFrom(
			'{',
			'}',
			'!',
			'or',
			'||',
			'if',
			'TRUE',
			'!FALSE',
			'path',
			'src',
			'-m',
			'-i',
			'--',
			'gt',
			'beg',
			'',
		),
		text,
	);
	fc.assert(
		fc.property(fc.array(word, { maxLength: 10 }), (words) => {
			const context = fakeContext();
			const condition = compileCondition(['if', ...words], 0, context);
			if (condition === undefined) {
				if (alertsOf(context).length === 0) throw new Error('refused without a word');
			} else condition.test(fakeStream());
		}),
		{ seed: SEED, numRuns: 2000 },
	);
	t.pass('no exception');
});
