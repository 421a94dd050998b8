/**
 * A cache of the whole program: what one data thread stores every other one finds, a reload keeps it, `show cache` lists
 * it, `show stat` counts it.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';
import { reload, rewrite } from './reload-support.js';

t.setTimeout(100_000);

t.test('stored once for all threads, kept over a reload, until its size changes', async (t) => {
	let served = 0;
	const origin = createServer((_request, response) => {
		served++;
		response.setHeader('cache-control', 'max-age=60');
		response.end(`answer ${served} ${'x'.repeat(200_000)}`);
	});
	await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		origin.closeAllConnections();
		origin.close();
	});
	const program = await startProgram(t, {
		ports: 1,
		config: `
global
  nbthread 3
  stats socket \${dir}/s level admin
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
cache pages
  total-max-size 8
  max-object-size 1000000
frontend f
  bind 127.0.0.1:\${port1}
  http-request cache-use pages
  http-response cache-store pages
  http-response set-header x-thread %[thread]
  compression algo gzip
  default_backend b
backend b
  server s 127.0.0.1:${(origin.address() as AddressInfo).port}
`,
	});
	const socket = join(program.folder, 's');
	const askMany = async (): Promise<Set<string>> => {
		const threads = new Set<string>();
		for (let i = 0; i < 60 && (i < 20 || threads.size < 2); i++) {
			const answer = await request(program.port(), '/page');
			t.ok(answer.body.startsWith('answer 1 x'), 'the one that is stored');
			threads.add(String(answer.headers['x-thread']));
		}
		return threads;
	};
	await request(program.port(), '/page');
	t.ok((await askMany()).size > 1, 'several threads have answered');
	t.equal(served, 1);

	const listed = await cli(socket, 'show cache');
	t.match(
		listed,
		/^0x0: pages \(shctx:0x0, available blocks:\d+\)\n0x[0-9a-f]+ hash:\d+ vary:0x0000000000000000 size:2\d{5} \(\d+ blocks\), refcount:0, expire:\d+\n/,
	);
	const [head = '', ...rows] = (await cli(socket, 'show stat')).split('\n');
	const columns = head.slice(2).split(',');
	const row = rows.find((line) => line.startsWith('f,FRONTEND'))?.split(',') ?? [];
	const figure = (name: string): number => Number(row[columns.indexOf(name)]);
	t.equal(figure('cache_lookups') - figure('cache_hits'), 1);

	await reload(program);
	await askMany();
	t.equal(served, 1, 'kept over a reload');

	rewrite(program, (text) => text.replace('total-max-size 8', 'total-max-size 16'));
	await reload(program);
	t.match((await request(program.port(), '/page')).body, /^answer 2 /, 'a cache of another size begins empty');
});
