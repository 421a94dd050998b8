/** The same lines through `haproxy -c`: the second half of what verdicts.txt claims. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { formatDiagnostic } from '../../lib/core/diagnostics.js';
import { findHaproxy, skipUnlessHaproxy } from '../fixtures/interop.js';
import { load } from './load.js';
import { readVerdictCases } from './verdicts.js';

/** Checks at a time: twice the cores of the machine for the tests, so that none waits for a file. */
const PARALLEL = 4;

// Some 700 starts of HAProxy: seconds where nothing else runs, minutes where every core is taken.
t.setTimeout(300_000);

interface Outcome {
	readonly accepted: boolean;
	readonly said: string;
}

function check(binary: string, file: string): Promise<Outcome> {
	return new Promise((resolve, reject) => {
		const child = spawn(binary, ['-c', '-L', 'me', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
		let said = '';
		child.stderr.on('data', (chunk: Buffer) => {
			said += chunk.toString('latin1');
		});
		child.on('error', reject);
		child.on('close', (code) => resolve({ accepted: isAccepted(code), said }));
	});
}

/** 0: valid; 2: valid, but without any listener. */
const isAccepted = (code: number | null): boolean => code === 0 || code === 2;

/**
 * Every PARALLEL-th file from `lane` on, `count` in all: what HAProxy says of `7.cfg` to `7.said`, its exit code to `7.code`. A
 * shell starts hundreds of programs in a fraction of the time that this process takes.
 */
function checkLane(binary: string, dir: string, lane: number, count: number): Promise<void> {
	const script = `i=${lane}; while [ $i -lt ${count} ]; do
		"$1" -c -L me -f $i.cfg >/dev/null 2>$i.said; echo $? >$i.code; i=$((i + ${PARALLEL}))
	done`;
	return new Promise((resolve, reject) => {
		const shell = spawn('/bin/sh', ['-c', script, 'sh', binary], { cwd: dir, stdio: 'ignore' });
		shell.on('error', reject);
		shell.on('close', () => resolve());
	});
}

t.test('haproxy gives the verdicts that the file says', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const binary = findHaproxy()?.path ?? '';
	const dir = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
	t.teardown(() => rmSync(dir, { recursive: true, force: true }));
	// Each start of HAProxy costs some 30 ms: all cases where interop is required, else every third.
	const step = process.env.HOLDFAST_REQUIRE_INTEROP === '1' ? 1 : 3;
	const cases = readVerdictCases('test/fixtures/config/verdicts.txt').filter((_case, index) => index % step === 0);
	for (const [index, { text }] of cases.entries()) writeFileSync(join(dir, `${index}.cfg`), text, 'latin1');
	await Promise.all(Array.from({ length: PARALLEL }, (_, lane) => checkLane(binary, dir, lane, cases.length)));
	for (const [index, item] of cases.entries()) {
		const read = (ending: string): string => readFileSync(join(dir, `${index}.${ending}`), 'latin1');
		const accepted = isAccepted(Number(read('code')));
		const said = accepted ? '' : `: ${read('said').split('\n')[2] ?? ''}`;
		t.equal(accepted, item.acceptedByHaproxy, `${item.name}${said}`);
	}
});

/** `[WARNING]  (1) : config : parsing [file:3] : text` without what differs by version: blanks and line numbers stay. */
function warningsOf(said: string): string[] {
	return said
		.split('\n')
		.flatMap((line) => {
			const match = /^\[WARNING\] +\(\d+\) : config : (?:parsing \[[^\]]*:(\d+)\] ?: )?(.*)$/.exec(line);
			if (match === null) return [];
			// HAProxy names the second word of an option only, and adds a piece of advice to two sentences.
			const text = (match[2] ?? '')
				.replace(/ Maybe you want '\w+' instead \?$/, '')
				.replace(/'option (\w+)' ignored/, "'$1' ignored");
			return [`${match[1] ?? '-'}: ${text}`];
		})
		.sort();
}

t.test('the same remarks on a file that works', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const file = 'test/fixtures/config/warnings.cfg';
	const { said } = await check(findHaproxy()?.path ?? '', file);
	const { model, diagnostics } = load(readFileSync(file, 'latin1'));
	t.ok(model, 'accepted');
	const ours = diagnostics.list.map((item) => formatDiagnostic(item, 1)).join('\n');
	t.same(warningsOf(ours), warningsOf(said));
	t.ok(warningsOf(ours).length > 10, 'there is something to compare');
});
