/** Very many reloads: nothing of a configuration that has gone stays behind. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { COUNTING, reload, rewrite } from './reload-support.js';

t.setTimeout(110_000);

interface Census {
	readonly threads: number;
	readonly descriptors: number;
}

function census(pid: number): Census {
	return { threads: readdirSync(`/proc/${pid}/task`).length, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** Of the worker's control thread, after a collection. */
async function memoryOf(program: Program): Promise<{ buffersKb: number; heapKb: number }> {
	const said = (): RegExpMatchArray[] => [...program.stderr.matchAll(/memory: buffers (\d+) kB, heap (\d+) kB/g)];
	const before = said().length;
	process.kill(program.workers[0] ?? 0, 'SIGWINCH');
	await waitFor('the worker to say', () => said().length > before);
	const [, buffers, heap] = said().at(-1) ?? [];
	return { buffersKb: Number(buffers), heapKb: Number(heap) };
}

t.test('a soak: descriptors, threads, memory and processes as at the start', async (t) => {
	const config = `${COUNTING}
peers all
  peer here 127.0.0.1:\${port2}
  peer there 127.0.0.1:1
`.replace('nbthread 2', 'nbthread 2\n  localpeer here\n  stats socket ${dir}/stats');
	const probe = fileURLToPath(new URL('../fixtures/memory-probe.mjs', import.meta.url));
	const env = { NODE_OPTIONS: `--import=${probe}` };
	const program = await startProgram(t, { config, ports: 2, env });
	const [workerPid = 0] = program.workers;
	const masterPid = program.child.pid ?? 0;
	const settled = (most: Census): Promise<Census> =>
		waitFor('old threads to leave', () => {
			const seen = census(workerPid);
			return seen.threads <= most.threads && seen.descriptors <= most.descriptors && seen;
		});
	const before = census(workerPid);
	// The first reloads fill caches and heaps.
	for (let round = 0; round < 4; round++) await reload(program);
	const first = await settled({ ...before, descriptors: before.descriptors + 1 });
	const firstOfMaster = census(masterPid);
	const firstMemory = await memoryOf(program);
	for (let round = 0; round < 10; round++) await reload(program);
	const last = await settled(first);
	t.ok(last.descriptors <= first.descriptors);
	t.ok(last.threads <= first.threads);
	// Each configuration that stayed would keep megabytes of buffers.
	const lastMemory = await memoryOf(program);
	t.ok(
		lastMemory.buffersKb < firstMemory.buffersKb + 2048,
		`buffers: ${firstMemory.buffersKb}, ${lastMemory.buffersKb} kB`,
	);
	t.ok(lastMemory.heapKb < firstMemory.heapKb + 2048, `heap: ${firstMemory.heapKb}, ${lastMemory.heapKb} kB`);

	// Reloads that fail late, when sockets have been handed over: a certificate that is not there.
	rewrite(program, (text) => text.replace('peer there 127.0.0.1:1', 'peer there 127.0.0.1:1 ssl crt /nowhere.pem'));
	const failures = (): number => program.stderr.split('reload failed').length - 1;
	for (let round = 0; round < 3; round++) {
		const failed = failures();
		program.child.kill('SIGUSR2');
		await waitFor('the reload to fail', () => failures() > failed);
	}
	await settled(last);
	t.ok(await program.says(/nowhere\.pem/));
	t.same(program.workers, [workerPid]);
	t.equal(census(masterPid).descriptors, firstOfMaster.descriptors);
});
