/** Workers that keep dying, and a master that dies: what goes on, and who takes over. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { spawnProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { alive, anotherWorker, ask, CONFIG, look, saved, startServing, workerOf } from './crash-support.js';

t.setTimeout(110_000);

t.test('a worker that keeps dying is restarted after growing pauses', async (t) => {
	const program = await startServing(t, { config: CONFIG, ports: 1 });
	let pid = workerOf(program.child.pid);
	const pausesMs: number[] = [];
	for (let death = 0; death < 4; death++) {
		process.kill(pid, 'SIGKILL');
		const killedMs = performance.now();
		pid = await anotherWorker(program, pid);
		pausesMs.push(performance.now() - killedMs);
	}
	t.comment(`serving again after ${pausesMs.map(Math.round).join(', ')} ms`);
	t.ok((pausesMs[3] ?? 0) >= 400, 'the fourth death in a row waits');
});

t.test('the master dies: workers go on, and a new master replaces them', async (t) => {
	const config = CONFIG.replace('nbthread 2', 'nbthread 1');
	const launcher = await spawnProgram(t, { config, ports: 1, args: ['-D'] });
	t.same(await launcher.exited(), { code: 0, signal: null });
	const masterPid = Number(readFileSync(join(launcher.folder, 'pid'), 'utf8'));
	const pid = workerOf(masterPid);
	t.teardown(() => {
		for (const one of [masterPid, pid]) if (alive(one)) process.kill(one, 'SIGKILL');
	});
	await ask(launcher, 'a', 4);
	process.kill(masterPid, 'SIGKILL');
	await waitFor('the master to be gone', () => !alive(masterPid));
	await ask(launcher, 'a', 3);
	t.equal((await look(launcher, 'a')).count, 7, 'the worker serves on');
	await saved(launcher);
	const text = readFileSync(launcher.configPath, 'latin1');
	const fresh = await startServing(t, {
		config: text,
		ports: 1,
		usePorts: launcher.ports,
		args: ['-db', '-sf', String(pid)],
		readyPorts: [],
	});
	await anotherWorker(fresh, pid);
	await waitFor('the old worker to leave', () => !alive(pid));
	t.equal((await look(fresh, 'a')).count, 7);
});
