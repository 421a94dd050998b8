/**
 * Builds the program: `tsx bin/build/main.ts [folder]`, by default into `dist`.
 *
 *     <folder>/bin/holdfast.js          what is started; commands.js, worker.js and data-thread.js likewise (../loader.ts)
 *     <folder>/bin/holdfast.program.js  the program in one file, with the small packages that every start needs
 *     <folder>/bin/holdfast.cache       its code cache
 *     <folder>/bin/LICENSES             of the packages within
 *
 * The caches are made by running the program, with a little traffic (record.ts, warm-up.cfg).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAMS = {
	holdfast: 'bin/holdfast.ts',
	commands: 'bin/commands.ts',
	worker: 'lib/process/worker.ts',
	'data-thread': 'lib/process/data-thread.ts',
};
/** Packages that only some configurations use, loaded from where they were installed; and one program loads the other. */
const EXTERNAL = ['http-proxy', 'ioredis', 'pino', 're2js', 'uplot', './commands.js'];
/** No step of a warm-up takes nearly as long, on any machine. */
const LIMIT_MS = 60_000;

const COMMON = {
	absWorkingDir: ROOT,
	bundle: true,
	format: 'cjs',
	platform: 'node',
	target: 'node20',
	logLevel: 'warning',
} as const;

async function buildPrograms(folder: string): Promise<void> {
	const { metafile } = await build({
		...COMMON,
		entryPoints: Object.entries(PROGRAMS).map(([name, path]) => ({ in: path, out: `${name}.program` })),
		outdir: folder,
		external: EXTERNAL,
		sourcemap: true,
		metafile: true,
		supported: { 'dynamic-import': false },
		define: { 'import.meta.url': 'moduleUrl' },
		banner: { js: "'use strict'; const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
	});
	for (const name of Object.keys(PROGRAMS)) {
		await build({
			...COMMON,
			entryPoints: { [name]: 'bin/loader.ts' },
			outdir: folder,
			define: { PROGRAM_NAME: JSON.stringify(name) },
			...(name === 'holdfast' ? { banner: { js: '#!/usr/bin/env node' } } : {}),
		});
	}
	chmodSync(join(folder, 'holdfast.js'), 0o755);
	// `builtWith`: what the caches are good for.
	const description = { type: 'commonjs', builtWith: process.version };
	writeFileSync(join(folder, 'package.json'), `${JSON.stringify(description)}\n`);
	writeFileSync(join(folder, 'LICENSES'), licensesOf(metafile));
}

function licensesOf({ inputs }: Metafile): string {
	const packages = new Set(Object.keys(inputs).map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]));
	return [...packages]
		.filter((path) => path !== undefined)
		.sort()
		.map((path) => {
			const file = readdirSync(join(ROOT, path)).find((name) => /^licen[cs]e/i.test(name));
			if (file === undefined) throw new Error(`${path} has no license file`);
			return `${relative('node_modules', path)}\n\n${readFileSync(join(ROOT, path, file), 'utf8')}`;
		})
		.join('\n\n');
}

async function makeCaches(folder: string): Promise<void> {
	const work = mkdtempSync(join(tmpdir(), 'holdfast-build-'));
	try {
		await build({ ...COMMON, entryPoints: { record: 'bin/build/record.ts' }, outdir: work });
		const configuration = ['-f', join(ROOT, 'bin/build/warm-up.cfg')];
		const start = (...words: string[]): ChildProcess =>
			spawn(
				process.execPath,
				['--require', join(work, 'record.js'), join(folder, 'holdfast.js'), ...words, ...configuration],
				{ stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, FOLDER: work } },
			);
		await left(start('-c'));
		await run(start('-db', '--log-level', 'silent'), async () => {
			for (const path of ['/', '/', '/api', '/stats']) await ask(join(work, 'web'), path);
		});
		for (const name of Object.keys(PROGRAMS)) {
			if (!existsSync(join(folder, `${name}.cache`)))
				throw new Error(`the program ended before it had made the code cache of ${name}`);
		}
	} finally {
		rmSync(work, { recursive: true });
	}
}

/** Waits for the end of a program, not for ever. */
async function left(child: ChildProcess): Promise<void> {
	const late = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
	await new Promise((resolve) => child.once('exit', resolve));
	clearTimeout(late);
}

/** Does `work` while a program runs, then waits for its end after a soft stop. */
async function run(child: ChildProcess, work: () => Promise<void>): Promise<void> {
	const end = left(child);
	await Promise.race([work(), end]);
	child.kill('SIGUSR1');
	await end;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
	while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Asks for a page until it comes. */
function ask(socketPath: string, path: string): Promise<void> {
	return until(
		() =>
			new Promise((resolve) => {
				request({ socketPath, path, agent: false }, (response) => {
					response.resume().once('end', () => resolve(true));
				})
					.once('error', () => resolve(false))
					.end();
			}),
	);
}

const folder = join(process.argv[2] ?? join(ROOT, 'dist'), 'bin');
rmSync(dirname(folder), { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
await buildPrograms(folder);
await makeCaches(folder);
