/** The same lines through `haproxy -c`: the second half of what verdicts.txt claims. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { findHaproxy, skipUnlessHaproxy } from '../fixtures/interop.js';
import { readVerdictCases } from './verdicts.js';

/** As many checks at a time as the machine for the tests has cores. */
const PARALLEL = 2;

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
		// 0: valid; 2: valid, but without any listener.
		child.on('close', (code) => resolve({ accepted: code === 0 || code === 2, said }));
	});
}

t.test('haproxy gives the verdicts that the file says', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const binary = findHaproxy()?.path ?? '';
	const dir = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
	t.teardown(() => rmSync(dir, { recursive: true, force: true }));
	const cases = readVerdictCases('test/fixtures/config/verdicts.txt');
	let next = 0;
	const worker = async (lane: number): Promise<void> => {
		const file = join(dir, `${lane}.cfg`);
		for (let item = cases[next++]; item !== undefined; item = cases[next++]) {
			writeFileSync(file, item.text, 'latin1');
			const { accepted, said } = await check(binary, file);
			t.equal(accepted, item.acceptedByHaproxy, `${item.name}${accepted ? '' : `: ${said.split('\n')[2] ?? ''}`}`);
		}
	};
	await Promise.all(Array.from({ length: PARALLEL }, (_, lane) => worker(lane)));
});
