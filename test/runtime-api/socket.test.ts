/** The socket itself: modes, bounds, slow and vanishing clients, many at once, over a change of configuration. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { bindSocket } from '../../lib/process/listening-socket.js';
import { createRegistry } from '../../lib/runtime-api/commands/index.js';
import { CommandRegistry } from '../../lib/runtime-api/registry.js';
import type { RuntimeView } from '../../lib/runtime-api/runtime-view.js';
import { RuntimeApi } from '../../lib/runtime-api/socket.js';
import { CliClient, cli } from '../fixtures/cli-client.js';
import type { Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { createView } from './view.js';

const config = (global = '', extra = ''): string => `
global
  stats socket /placeholder level admin ${extra}
  stats timeout 10s
  stats maxconn 200
  ${global}
backend big
  stick-table type integer size 300k store gpc0
`;

interface Served {
	readonly api: RuntimeApi;
	readonly path: string;
	readonly errors: unknown[];
	serve(view: RuntimeView): void;
}

function listen(t: Teardown, view: RuntimeView, registry = createRegistry()): Served {
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
	const path = join(folder, 's');
	const errors: unknown[] = [];
	const note = (error: unknown): void => void errors.push(error);
	const api = new RuntimeApi(registry, { error: note, warn: note } as never);
	const serve = (next: RuntimeView): void => {
		const { handle } = bindSocket({
			key: path,
			address: { kind: 'unix', path, abstract: false },
			v6only: false,
			mode: undefined,
			uid: undefined,
			gid: undefined,
			acceptedBy: 'control thread',
			wantedBy: 'stats socket',
		});
		const [model] = next.model.global.statsSockets;
		if (model === undefined) throw new Error('no stats socket');
		api.serve(next, [{ model, handle }]);
	};
	serve(view);
	t.teardown(() => {
		api.close();
		rmSync(folder, { recursive: true, force: true });
	});
	return { api, path, errors, serve };
}

t.test('one line of commands, then the connection closes', async (t) => {
	const { path } = listen(t, createView(config()).view);
	t.equal(await new CliClient(path).send('show cli level\n').all(), 'admin\n\n');
	t.equal(await new CliClient(path).send('show cli level; show cli level\n').all(), 'admin\n\nadmin\n\n');
	const client = new CliClient(path);
	client.socket.end('show cli level\nshow backend\n');
	t.equal(await client.all(), 'admin\n\n# name\nbig\n\n', 'end-of-stream behind the commands, as socat sends it');
	const cut = new CliClient(path);
	cut.socket.end('show cli le');
	t.equal(await cut.all(), '', 'a line that is cut is not run');
	t.equal(await new CliClient(path).send('quit\n').all(), '');
	t.match(await new CliClient(path).send('\n').all(), /^Unknown command\. Please enter one of the following/);
	t.match(await new CliClient(path).send('show cli leve\n').all(), /maybe one of the following[\s\S]*show cli level/);
	t.match(
		await new CliClient(path).send('help show table\n').all(),
		/^The following commands.*\n {2}show table <table>/,
	);
});

t.test('interactive: prompts, payload prompts, back again', async (t) => {
	const { path } = listen(t, createView(config()).view);
	const client = new CliClient(path).send('prompt\n');
	await client.until('\n> ');
	t.equal(await client.ask('show cli level'), 'admin\n');
	t.equal(await client.ask('show cli level;show cli level'), 'admin\n\nadmin\n');
	client.text = '';
	client.send('add map #1 <<\n');
	await client.until('+ ');
	client.send('k v\n');
	await client.until('+ + ');
	client.send('\n');
	t.equal(await client.until('\n> '), '+ + Unknown map identifier. Please use #<id> or <file>.\n\n> ');
	client.text = '';
	t.equal(await client.send('prompt\n').all(), '\n', 'without a prompt the connection closes');
	const quitting = new CliClient(path).send('prompt;show cli level;quit;show cli level\n');
	t.equal(await quitting.all(), '\nadmin\n\n');
});

t.test('set severity-output and set timeout are of one connection', async (t) => {
	const { path } = listen(t, createView(config()).view);
	t.equal(
		await cli(path, 'set severity-output number;show table nosuch;show cli level'),
		'\n[3]: No such table\n\n[6]: admin\n',
	);
	t.equal(await cli(path, 'set severity-output string;show table nosuch'), '\n[err]: No such table\n');
	t.equal(await cli(path, 'show table nosuch'), 'No such table\n');
	const client = new CliClient(path).send('prompt\n');
	await client.until('> ');
	t.equal(await client.ask('set timeout cli 100ms'), '');
	await client.all();
	t.pass('closed for being idle');
	t.equal(
		await cli(path, 'set timeout cli 0;set timeout cli x;set timeout client 5'),
		"Invalid timeout value.\n\nInvalid timeout value.\n\n'set timeout' only supports 'cli'.\n",
	);
});

t.test('input that has no end', async (t) => {
	const { path, api } = listen(t, createView(config()).view);
	t.match(await new CliClient(path).send('x'.repeat(100_000)).all(), /^The command is longer than \d+ bytes/);
	const payload = new CliClient(path).send(`add map #1 <<\n${'k v\n'.repeat(10_000)}`);
	t.match(await payload.all(), /^The command is longer/);
	const noise = new CliClient(path).send(
		`${Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1')}\n`,
	);
	t.match(await noise.all(), /^Unknown command/);
	const flood = new CliClient(path).send('show cli level\n'.repeat(5_000));
	t.equal(await flood.all(), 'admin\n\n'.repeat(5_000), 'ten times a buffer of commands, one after the other');
	await waitFor('all to be gone', () => api.connectionCount === 0);
});

t.test('a client that does not read holds nothing up, and a buffer is all it costs', async (t) => {
	const test = createView(config());
	const table = test.view.tables.get('big');
	for (let key = 0; key < 200_000; key++) table?.touchByKey(key, 1);
	const { path, api } = listen(t, test.view);
	const slow = new CliClient(path);
	slow.socket.pause();
	slow.send('show table big\n');
	await waitFor('the dump to begin', () => api.connectionCount === 1);
	const before = process.memoryUsage().heapUsed;
	for (let i = 0; i < 20; i++) t.equal(await cli(path, 'show cli level'), 'admin\n');
	t.ok(process.memoryUsage().heapUsed - before < 30e6, 'the dump (14 MB) is not in memory');
	slow.socket.resume();
	const text = await slow.all();
	t.equal(text.split('\n').length, 200_003, 'and it is whole in the end');
});

t.test('a client that goes away stops its dump', async (t) => {
	const test = createView(config());
	let produced = 0;
	let stopped = false;
	const registry = new CommandRegistry([
		{
			words: ['endless'],
			level: 'user',
			usage: 'endless',
			help: 'never ends',
			*run() {
				try {
					for (;;) {
						produced++;
						yield `${'x'.repeat(1000)}\n`;
					}
				} finally {
					stopped = true;
				}
			},
		},
	]);
	const { path, api, errors } = listen(t, test.view, registry);
	const client = new CliClient(path).send('endless\n');
	await waitFor('some of it', () => client.text.length > 100_000);
	client.close();
	await waitFor('the command to be stopped', () => stopped && api.connectionCount === 0);
	const count = produced;
	await cli(path, 'help');
	t.equal(produced, count, 'nothing is made for nobody');
	t.strictSame(errors, []);
});

t.test('a command that fails is logged, and answered', async (t) => {
	const registry = new CommandRegistry([
		{
			words: ['fail'],
			level: 'user',
			usage: 'fail',
			help: 'fails',
			run() {
				throw new Error('a bug');
			},
		},
	]);
	const { path, errors } = listen(t, createView(config()).view, registry);
	t.equal(await cli(path, 'fail;fail'), 'Internal error, see the log.\n\nInternal error, see the log.\n');
	t.equal(errors.length, 2);
});

t.test('a hundred clients, and no more than stats maxconn', async (t) => {
	const { path, api } = listen(t, createView(config()).view);
	const clients = Array.from({ length: 100 }, () => new CliClient(path).send('prompt\n'));
	for (const client of clients) await client.until('> ');
	t.equal(api.connectionCount, 100);
	const answers = await Promise.all(clients.map((client) => client.ask('show cli level')));
	t.ok(answers.every((answer) => answer === 'admin\n'));
	const more = Array.from({ length: 101 }, () => new CliClient(path).send('prompt\n'));
	await waitFor('one to be turned away', () => more.some(({ closed }) => closed));
	t.equal(more.filter(({ closed }) => closed).length, 1);
	for (const client of [...clients, ...more]) client.close();
	await waitFor('all to be gone', () => api.connectionCount === 0);
});

t.test('maxconn of one socket', async (t) => {
	const { path } = listen(t, createView(config('', 'maxconn 1')).view);
	const first = new CliClient(path).send('prompt\n');
	await first.until('> ');
	t.equal(await new CliClient(path).send('show cli level\n').all(), '');
	first.close();
	await waitFor('a place', async () => (await new CliClient(path).send('show cli level\n').all()) !== '');
});

t.test('a conversation goes on with the next configuration', async (t) => {
	const { path, serve } = listen(t, createView(config()).view);
	const client = new CliClient(path).send('prompt\n');
	await client.until('> ');
	t.equal(await client.ask('show backend'), '# name\nbig\n');
	serve(createView(`${config()}\nbackend second\n`).view);
	t.equal(await client.ask('show backend'), '# name\nbig\nsecond\n');
	t.equal(await cli(path, 'show backend'), '# name\nbig\nsecond\n', 'and so do new ones');
});

t.test('wait', async (t) => {
	const { path, api } = listen(t, createView(config()).view);
	t.equal(await cli(path, 'wait 10ms;show cli level'), 'Done.\n\nadmin\n');
	const client = new CliClient(path).send('wait 100ms\n');
	await waitFor('the wait', () => api.connectionCount === 1);
	client.close();
	await waitFor('the end of it, although its client has left', () => api.connectionCount === 0);
	t.match(await cli(path, 'wait 6m'), /expects a time/);
	t.match(await cli(path, 'wait 1s srv-removable b\\/s'), /no condition/);
});
