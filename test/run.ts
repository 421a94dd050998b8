/**
 * Runs the tests: `tsx test/run.ts [--save=FILE] [--jobs=N] [test file ...]`, all of them by default.
 *
 * `tap run` would do, and does for a single file (`npx tap run test/x/y.test.ts`): but it has each process compile what it
 * needs and gives each, and each process they start in turn, a loader that keeps accounts of files. For two hundred
 * processes that is more work than the tests are. Here everything is compiled once, by esbuild, and a test file is what tap
 * says it is: a program that tells by its exit code how it went.
 *
 * `--save` writes the names of those that failed to a file, one per line.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Of this run alone. Short: folders of tests, with unix sockets in them, are named after it. */
const COMPILED = `.tap/${process.pid}`;
/** tap ends a file's tests itself, with what hangs; the rest of the time is for that. */
const LIMIT_S = 120;
const KILL_AFTER_MS = (LIMIT_S + 20) * 1000;
/** Folders whose files take longest: they begin first, so that none is left over at the end. */
const LONG = ['interop', 'scenarios', 'fuzz', 'simulation', 'stream'];

function filesOf(folder: string): string[] {
	return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
}

/** Everything, file for file: a module is the same object for all who import it. */
async function compile(): Promise<void> {
	await build({
		absWorkingDir: ROOT,
		entryPoints: ['bin', 'lib', 'test'].flatMap(filesOf).filter((path) => path.endsWith('.ts')),
		outdir: COMPILED,
		outbase: '.',
		format: 'esm',
		platform: 'node',
		target: 'node20',
		logLevel: 'warning',
		plugins: [
			{
				name: 'what is found beside a source stays there',
				setup({ onLoad }) {
					onLoad({ filter: /\.ts$/ }, ({ path }) => {
						const url = JSON.stringify(pathToFileURL(path).href);
						return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', url), loader: 'ts' };
					});
				},
			},
		],
	});
}

interface Outcome {
	readonly ok: boolean;
	readonly output: string;
	readonly durationMs: number;
	readonly assertions: number;
	/** Why something of it was not tested. */
	readonly skips: readonly string[];
}

function run(path: string): Promise<Outcome> {
	const startedMs = performance.now();
	const child = spawn(process.execPath, [join(COMPILED, path.replace(/\.ts$/, '.js'))], {
		cwd: ROOT,
		stdio: ['ignore', 'pipe', 'pipe'],
		env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(LIMIT_S) },
	});
	let output = '';
	for (const stream of [child.stdout, child.stderr]) {
		stream.setEncoding('utf8').on('data', (text: string) => {
			output += text;
		});
	}
	const late = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
	return new Promise((done) => {
		child.once('close', (code, signal) => {
			clearTimeout(late);
			const assertions = Number(/^# \{ total: (\d+)/m.exec(output)?.[1] ?? 0);
			// Without a plan and its end nothing was tested, whatever the code says.
			const ok = code === 0 && /^1\.\.\d+/m.test(output);
			if (signal !== null) output += `\nended by ${signal}\n`;
			const skips = [...new Set([...output.matchAll(/ # SKIP (.*)$/gm)].map(([, reason = '']) => reason))];
			done({ ok, output, durationMs: performance.now() - startedMs, assertions, skips });
		});
	});
}

/** What tells why: all but the assertions that held. */
function essence(output: string): string {
	return output
		.split('\n')
		.filter((line) => !/^\s*(?:ok \d|# Subtest|\d+\.\.\d+$|$)/.test(line))
		.join('\n');
}

const rank = (path: string): number => [...LONG, path.split('/')[1]].indexOf(path.split('/')[1] ?? '');

const { values, positionals } = parseArgs({
	options: { save: { type: 'string' }, jobs: { type: 'string', default: '2' } },
	allowPositionals: true,
});
const named = positionals.map((path) => relative(ROOT, resolve(path)));
const files = named.length > 0 ? named : filesOf('test').filter((path) => path.endsWith('.test.ts'));
files.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));

const startedMs = performance.now();
await compile();
const failed: string[] = [];
let assertions = 0;
const waiting = files.values();
async function work(): Promise<void> {
	for (const path of waiting) {
		const outcome = await run(path);
		assertions += outcome.assertions;
		console.log(`${outcome.ok ? 'ok    ' : 'NOT OK'} ${path} ${(outcome.durationMs / 1000).toFixed(1)} s`);
		for (const reason of outcome.skips) console.log(`       skipped: ${reason}`);
		if (outcome.ok) continue;
		failed.push(path);
		console.log(essence(outcome.output));
	}
}
await Promise.all(Array.from({ length: Number(values.jobs) }, work));
rmSync(join(ROOT, COMPILED), { recursive: true });
const seconds = Math.round((performance.now() - startedMs) / 1000);
console.log(`${files.length} files, ${assertions} assertions, ${failed.length} files failed, ${seconds} s`);
if (values.save !== undefined) writeFileSync(values.save, failed.map((path) => `${path}\n`).join(''));
process.exitCode = failed.length > 0 || files.length === 0 ? 1 : 0;
