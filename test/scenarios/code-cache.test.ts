/**
 * The code caches of the build are used where they fit, and missed by nobody where they do not: another text, a damaged
 * file, none at all, flags of the engine that they were not made under.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import t, { type Test } from 'tap';
import { readCodeCache } from '../../bin/code-cache.js';
import { request } from '../fixtures/http-client.js';
import { plainNode } from '../fixtures/plain-node.js';
import { HOLDFAST, type ProgramOptions, startProgram } from '../fixtures/program.js';

const CONFIG = `
global
  nbthread 1
defaults
  mode http
  timeout client 5s
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain string here
`;

const BUILT = dirname(HOLDFAST);
const NAMES = ['holdfast', 'commands', 'worker', 'data-thread'];
/** As the loader puts it around a program. */
const HEAD = '(function (exports, require, module, __filename, __dirname) { ';

async function answers(t: Test, options: Partial<ProgramOptions>): Promise<void> {
	const program = await startProgram(t, { config: CONFIG, ports: 1, ...options });
	t.equal((await request(program.port())).body, 'here');
	await program.stop('SIGUSR1');
	t.equal(program.stderr, '');
}

/** A copy of the build, to be damaged. */
function copy(t: Test): string {
	const folder = t.testdir();
	cpSync(BUILT, join(folder, 'bin'), { recursive: true });
	symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(folder, 'node_modules'));
	return join(folder, 'bin');
}

t.test('the engine takes them', (t) => {
	const { builtWith } = JSON.parse(readFileSync(join(BUILT, 'package.json'), 'utf8')) as { builtWith?: string };
	for (const name of NAMES) {
		const text = readFileSync(join(BUILT, `${name}.program.js`));
		const cachedData = readCodeCache(join(BUILT, `${name}.cache`), text);
		t.ok(cachedData, `${name}: of this text`);
		if (builtWith !== process.version) continue;
		const script = new Script(`${HEAD}${text.toString('latin1')}\n})`, { cachedData });
		t.equal(script.cachedDataRejected, false, name);
	}
	t.end();
});

t.test('none are there', async (t) => {
	const folder = copy(t);
	for (const name of NAMES) rmSync(join(folder, `${name}.cache`));
	await answers(t, { build: join(folder, 'holdfast.js') });
});

t.test('damaged', async (t) => {
	const folder = copy(t);
	for (const name of NAMES) {
		const cache = readFileSync(join(folder, `${name}.cache`));
		writeFileSync(join(folder, `${name}.cache`), cache.fill('nonsense', cache.length / 2));
	}
	await answers(t, { build: join(folder, 'holdfast.js') });
});

t.test('of a text that has been edited since, to the same length', (t) => {
	const folder = copy(t);
	const path = join(folder, 'holdfast.program.js');
	writeFileSync(path, readFileSync(path, 'latin1').replaceAll('Holdfast version', 'Handfast version'), 'latin1');
	const { stdout } = spawnSync(...plainNode([join(folder, 'holdfast.js'), '-v']), { encoding: 'latin1' });
	t.match(stdout, /^Handfast version /);
	t.end();
});

t.test('flags of the engine that they were not made under', async (t) => {
	await answers(t, { env: { NODE_OPTIONS: '--stack-trace-limit=20' } });
});

t.test('source maps: the program is a module, without a cache', async (t) => {
	await answers(t, { env: { NODE_OPTIONS: '--enable-source-maps' } });
});
