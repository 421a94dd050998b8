/** Crashes: what serves again, how soon, and what the tables still know. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { Load } from '../fixtures/load.js';
import { waitFor } from '../fixtures/wait-for.js';
import { anotherWorker, ask, CONFIG, look, saved, startServing, workerOf } from './crash-support.js';

t.setTimeout(110_000);

t.test('kill -9 of the worker under load: serving within a second, tables as of the last save', async (t) => {
	const program = await startServing(t, { config: CONFIG, ports: 1 });
	const pid = workerOf(program.child.pid);
	await ask(program, 'steady', 20);
	await saved(program);
	const load = new Load({ port: program.port(), keptClients: 3, newClients: 2, pauseMs: 2 });
	await waitFor('load', () => load.answered > 200);
	const atLeast = new Map(load.clients.map(({ key, answered }) => [key, answered]));
	await saved(program);
	const killedMs = performance.now();
	process.kill(pid, 'SIGKILL');
	await anotherWorker(program, pid);
	t.comment(`serving again after ${Math.round(performance.now() - killedMs)} ms`);
	await load.stop();
	t.equal((await look(program, 'steady')).count, 20);
	for (const { key, answered } of load.clients) {
		const { count, current } = await look(program, key);
		t.ok(count >= (atLeast.get(key) ?? Number.NaN), `${key}: ${count} counted, ${atLeast.get(key)} saved for certain`);
		// A request that was counted and not answered was saved too, one for each client at most.
		t.ok(count <= answered + 1, `${key}: ${count} counted, ${answered} answered`);
		t.equal(current, 0);
	}
	t.ok(await program.says(/worker died/));
	t.ok(await program.says(/stick-tables restored/));
	t.ok(await program.says(/"lostMs":\d+/));
});

t.test('kill -9 of master and worker at once under load: the next start knows what was saved', async (t) => {
	const first = await startServing(t, { config: CONFIG, ports: 1 });
	const load = new Load({ port: first.port(), keptClients: 3, newClients: 2, pauseMs: 2 });
	await waitFor('load', () => load.answered > 200);
	const atLeast = new Map(load.clients.map(({ key, answered }) => [key, answered]));
	await saved(first);
	for (const pid of [first.child.pid ?? 0, ...first.workers]) process.kill(pid, 'SIGKILL');
	for (const client of load.clients) client.stop();
	await load.stop();
	const config = readFileSync(first.configPath, 'latin1');
	const second = await startServing(t, { config, ports: 1, usePorts: first.ports });
	for (const { key, answered } of load.clients) {
		const { count, current } = await look(second, key);
		t.ok(count >= (atLeast.get(key) ?? Number.NaN), `${key}: ${count} counted, ${atLeast.get(key)} saved for certain`);
		t.ok(count <= answered + 1, `${key}: ${count} counted, ${answered} answered`);
		t.equal(current, 0);
	}
	t.match(second.stderr, /stick-tables restored.*lost|"lostMs":\d+.*stick-tables restored/);
});
