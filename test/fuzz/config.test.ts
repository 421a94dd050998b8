// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language under test has these
/**
 * Whatever a conf file holds, reading it ends in a model or in errors: never in an exception, and in a time
 * that its length bounds. Inputs: random bytes, random words of the language, and each known file with one
 * line deleted, doubled, cut or two lines exchanged.
 */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { evaluateCondition } from '../../lib/config/conditions.js';
import { tokenizeLine } from '../../lib/config/lexer.js';
import { load } from '../config/load.js';

const SEED = Number(process.env.HOLDFAST_FUZZ_SEED ?? 20_260_103);
const RUNS = Number(process.env.HOLDFAST_FUZZ_RUNS ?? 400);

/** Of the seven changes of each line; all of them in a long run, here the next ones for each line. */
const CHANGES_PER_LINE = RUNS > 400 ? 7 : 3;

/** Far over what any of these small files takes, far under what a loop without end takes. */
const LIMIT_MS = 5000;

function loadsOrSays(text: string): boolean {
	const startedAt = performance.now();
	const { model, diagnostics } = load(text, { environment: { A: 'x', LIST: 'a b c' } });
	if (performance.now() - startedAt > LIMIT_MS) throw new Error('too slow');
	return model !== undefined || diagnostics.errorCount > 0;
}

const FILES = ['test/fixtures/config', 'conf'].flatMap((directory) =>
	readdirSync(directory)
		.filter((name) => name.endsWith('.cfg'))
		.map((name) => `${directory}/${name}`),
);

/** Every word that the known files use, and what trips lexers. */
const WORDS = [
	...new Set(FILES.flatMap((file) => readFileSync(file, 'latin1').split(/\s+/))),
	'"',
	"'",
	'\\',
	'\\x4',
	'"${LIST[*]}"',
	'"${A-"',
	'#',
	'{',
	'}',
	'(',
	',',
	'%[',
	'no',
	'default',
	'.if',
	'.elif',
	'.else',
	'.endif',
	'__proto__',
	'constructor',
	'toString',
	'hasOwnProperty',
	'-1',
	'99999999999999999999',
	'\0',
	'\x7f',
	'\xff',
];

t.test(`random bytes (seed ${SEED})`, async (t) => {
	const bytes = fc.uint8Array({ maxLength: 600 }).map((data) => Buffer.from(data).toString('latin1'));
	fc.assert(fc.property(bytes, loadsOrSays), { seed: SEED, numRuns: RUNS });
	t.pass('a model or an error');
});

t.test('random words of the language', async (t) => {
	const line = fc.array(fc.constantFrom(...WORDS), { maxLength: 12 }).map((words) => words.join(' '));
	const text = fc.array(line, { maxLength: 30 }).map((lines) => `${lines.join('\n')}\n`);
	fc.assert(fc.property(text, loadsOrSays), { seed: SEED, numRuns: RUNS });
	t.pass('a model or an error');
});

t.test('a section with random lines', async (t) => {
	const section = fc.constantFrom('global', 'defaults', 'frontend x', 'backend x', 'listen x', 'peers x', 'userlist x');
	const line = fc
		.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 8 })
		.map((words) => ` ${words.join(' ')}`);
	const text = fc
		.array(fc.tuple(section, fc.array(line, { maxLength: 8 })), { maxLength: 5 })
		.map((sections) => sections.map(([name, lines]) => [name, ...lines, ''].join('\n')).join(''));
	fc.assert(fc.property(text, loadsOrSays), { seed: SEED, numRuns: RUNS });
	t.pass('a model or an error');
});

t.test('each known file with one line changed', async (t) => {
	for (const file of FILES) {
		const lines = readFileSync(file, 'latin1').split('\n');
		const seen = new Set<string>();
		for (const [index, line] of lines.entries()) {
			// Nothing to change in a comment.
			if (/^\s*(?:#|$)/.test(line)) continue;
			const words = line.trim().split(/\s+/);
			const variants = [
				lines.toSpliced(index, 1),
				lines.toSpliced(index, 0, line),
				lines.with(index, line.slice(0, Math.floor(line.length / 2))),
				lines.with(index, ` ${words.slice(0, -1).join(' ')}`),
				lines.with(index, ` ${words.toReversed().join(' ')}`),
				lines.slice(0, index),
				lines.slice(index),
			];
			for (let i = 0; i < CHANGES_PER_LINE; i++) {
				const text = variants[(index * CHANGES_PER_LINE + i) % variants.length]!.join('\n');
				if (seen.has(text)) continue;
				seen.add(text);
				if (!loadsOrSays(text)) t.fail(`${file}:${index + 1}`);
			}
		}
		t.ok(seen.size > 0, `${file}: ${seen.size} variants`);
	}
});

t.test('long inputs take time in proportion', async (t) => {
	const texts: readonly (readonly [string, string])[] = [
		['one long word', `global\n node ${'x'.repeat(1_000_000)}\n`],
		['many quotes', `${'""'.repeat(200_000)}\n`],
		['many escapes', `global\n node ${'\\x41'.repeat(200_000)}\n`],
		['many variables', `global\n description "${'$A'.repeat(200_000)}"\n`],
		['many lines', `global\n${' node a\n'.repeat(50_000)}`],
		['many sections', Array.from({ length: 3000 }, (_, i) => `backend b${i}\n server s 127.0.0.1:1\n`).join('')],
		['many ports', 'frontend f\n mode http\n timeout client 1s\n bind :1-65535\n'],
		['many stores', `backend b\n stick-table type ip size 1 store ${'gpc0,'.repeat(100_000)}gpc0\n`],
		['deep condition', `.if ${'('.repeat(100_000)}\n.endif\n`],
		['many blocks', '.if 1\n'.repeat(50_000)],
		['many errors', 'backend b\n'.concat(' stick-table type ip\n'.repeat(50_000))],
		['many maps', `backend b\n http-request deny if { path,${'map('.repeat(50_000)} }\n`],
	];
	for (const [name, text] of texts) {
		const startedAt = performance.now();
		t.ok(loadsOrSays(text), `${name} (${Math.round(performance.now() - startedAt)} ms)`);
	}
});

t.test('names of the prototype are ordinary names', async (t) => {
	const { model, remarks } = load(
		'defaults\n mode http\n timeout client 1s\nbackend __proto__\n stick-table type ip size 1\nbackend constructor\nfrontend toString\n bind :1\n default_backend __proto__\n use_backend hasOwnProperty if TRUE\n',
	);
	t.equal(model, undefined);
	t.same(remarks, [`alert 10: Proxy 'toString': unable to find required use_backend: 'hasOwnProperty'`]);
});

t.test('conditions and single lines', async (t) => {
	const pieces = ['(', ')', '!', '&&', '||', '1', '0', 'streq(', 'defined(A)', ',', '"', "'", '\\', ' ', 'a'];
	const condition = fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((parts) => parts.join(''));
	fc.assert(
		fc.property(condition, (text) => typeof evaluateCondition(text, { environment: new Map() }).ok === 'boolean'),
		{ seed: SEED, numRuns: RUNS * 5 },
	);
	const line = fc.string({ unit: fc.constantFrom(...'ab "\'\\$#{}[*]-x4.'), maxLength: 40 });
	fc.assert(
		fc.property(line, (text) => {
			const result = tokenizeLine(text, new Map([['a', 'b c']]), { file: 'f', line: 1, section: '' });
			return result.ok
				? result.words.length === result.columns.length || /\[\*\]/.test(text)
				: result.column <= text.length;
		}),
		{ seed: SEED, numRuns: RUNS * 5 },
	);
	t.pass(`seed ${SEED}`);
});
