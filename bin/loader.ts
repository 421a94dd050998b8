/**
 * What Node runs first in each process and each thread of the built program: `dist/bin/holdfast.js`, `worker.js` and
 * `data-thread.js` are this file, each with its own name filled in by the build.
 *
 * Reading a program of two megabytes takes V8 longer than everything else that a start does, and it is done once in the
 * master, once in the worker and once in each data thread. So the build leaves a code cache beside each program
 * (build/main.ts): what V8 had made of its text. That is of no use to another version of V8, or under other flags of its
 * own; V8 looks, and compiles from the text as if nothing were there. What V8 compares of the text is its length, so a
 * checksum is compared here: a program that was edited in place is not run from yesterday's cache.
 *
 * Node knows the source maps of modules only: under `--enable-source-maps` the program is loaded as one, without its cache.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { readCodeCache } from './code-cache.js';

/** Filled in by the build. */
declare const PROGRAM_NAME: string;

/** Node's own wrapper of a CommonJS module, on the first line of the text so that the numbers of lines stay. */
const HEAD = '(function (exports, require, module, __filename, __dirname) { ';
const TAIL = '\n})';

const filename = join(__dirname, `${PROGRAM_NAME}.program.js`);
if (process.sourceMapsEnabled) require(filename);
else runCached();

function runCached(): void {
	const text = readFileSync(filename);
	const script = new Script(`${HEAD}${text.toString('latin1')}${TAIL}`, {
		filename,
		cachedData: readCodeCache(join(__dirname, `${PROGRAM_NAME}.cache`), text),
	});
	script.runInThisContext()(exports, require, module, filename, __dirname);
}
