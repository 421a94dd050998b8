/** A program that was killed or stopped and is started again: what its tables still know. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { waitFor } from '../fixtures/wait-for.js';
import { alive, ask, CONFIG, look, saved, savedBytes, startServing, workerOf } from './crash-support.js';

t.setTimeout(110_000);

t.test('kill -9 of the whole program, then a start: the tables are there', async (t) => {
	const first = await startServing(t, { config: CONFIG, ports: 1 });
	const pid = workerOf(first.child.pid);
	await ask(first, 'a', 7);
	await saved(first);
	first.child.kill('SIGKILL');
	await first.exited();
	await waitFor('the worker to leave too', () => !alive(pid));
	const config = readFileSync(first.configPath, 'latin1');
	const second = await startServing(t, { config, ports: 1, usePorts: first.ports });
	t.equal((await look(second, 'a')).count, 7);
	await ask(second, 'a', 1);
	t.equal((await look(second, 'a')).count, 8);

	// A stop by order loses nothing at all.
	await ask(second, 'b', 3);
	await second.stop('SIGTERM');
	const third = await startServing(t, { config, ports: 1, usePorts: first.ports });
	t.equal((await look(third, 'b')).count, 3);
	await ask(third, 'b', 2);
	third.child.kill('SIGUSR1');
	await third.exited();

	// Another declaration, and then a file that is not ours.
	const wider = config.replace('len 32', 'len 64').replace('http_req_cnt,', 'http_req_cnt,gpc0,');
	const fourth = await startServing(t, { config: wider, ports: 1, usePorts: first.ports });
	t.equal((await look(fourth, 'b')).count, 5);
	await fourth.stop('SIGTERM');
	const path = join(first.folder, 'tables');
	writeFileSync(path, 'something else\n');
	const fifth = await startServing(t, { config, ports: 1, usePorts: first.ports });
	t.equal((await look(fifth, 'b')).count, 0);
	t.match(fifth.stderr, /not usable.*put aside|put aside/);
	t.equal(readFileSync(`${path}.damaged`, 'latin1'), 'something else\n');
	await waitFor('a new file', () => savedBytes(path) > 0);
});
