/** Maps and ACLs from a URL, in the whole program: in every thread, in `show map`, kept over a failure and a reload. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { reload } from './reload-support.js';

t.test('a map and an ACL follow their URLs', async (t) => {
	let map = '/a one\n';
	let list = '';
	const server = createServer((request, response) => {
		if (map === '') response.statusCode = 500;
		response.end(request.url === '/paths.map' ? map : list);
	}).listen(0, '127.0.0.1');
	await new Promise((resolve) => server.once('listening', resolve));
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const program = await startProgram(t, {
		config: `
global
  nbthread 2
  stats socket \${dir}/admin.sock level admin
defaults
  mode http
  timeout client 10s
dynamic-update
  update id \${dir}/paths.map url ${url}/paths.map delay 50ms retries 0 map
  update id \${dir}/refused.lst url ${url}/refused.lst delay 50ms
frontend web
  bind 127.0.0.1:\${port1}
  http-request deny if { path -f \${dir}/refused.lst }
  http-request return status 200 content-type text/plain lf-string "%[path,map(\${dir}/paths.map,none)]"
`,
		ports: 1,
		prepare: (folder) => {
			writeFileSync(join(folder, 'paths.map'), '/a file\n');
			writeFileSync(join(folder, 'refused.lst'), '/nothing\n');
		},
	});
	const [port = 0] = program.ports;
	/** What a good many connections, over all threads, are told. */
	const told = async (path: string) =>
		[
			...new Set(
				await Promise.all(
					Array.from({ length: 12 }, async () => {
						const { status, body } = await request(port, path);
						return status === 200 ? body : String(status);
					}),
				),
			),
		].join();
	const ask = (command: string) => cli(join(program.folder, 'admin.sock'), command);
	await waitFor('the first fetch', async () => (await told('/a')) === 'one');
	map = '/a one\n/b two\n';
	list = '/c\n';
	await waitFor('the second', async () => (await told('/b')) === 'two' && (await told('/c')) === '403');
	t.match(await ask(`show map ${program.folder}/paths.map`), /\/a one\n0x\w+ \/b two/);
	t.match(await ask('lb-update list'), new RegExp(`${program.folder}/paths.map: `));
	map = '';
	await waitFor('a failure', async () =>
		/paths\.map map \d+ [1-9]\d* "status 500"/.test(await ask('lb-update status')),
	);
	t.equal(await told('/b'), 'two', 'kept');
	await reload(program);
	for (let i = 0; i < 5; i++) t.equal(await told('/b'), 'two', 'and over a reload');
});
