/**
 * The page and the exporter inside one process, with both engines: what is sent and how, what a slow or vanished viewer
 * costs, what a soft stop ends, and that names stay text in every format.
 */
import t from 'tap';
import { nativeEngine } from '../../lib/frontend/listener.js';
import { nodeEngine } from '../../lib/stream/node/engine.js';
import { request } from '../fixtures/http-client.js';
import { startHarness } from '../fixtures/proxy-harness.js';
import { rawClient } from '../fixtures/raw-http.js';
import { waitFor } from '../fixtures/wait-for.js';
import { parseTextFormat } from './text-format.js';

/** As a word of the language; names of listeners may hold anything. */
const EVIL = 'a\\"<b>&\\\\,x';

const CONFIG = `
defaults
  mode http
  timeout client 10s
  timeout server 5s
  timeout connect 1s
frontend st
  bind 127.0.0.1:0 name "${EVIL}"
  option socket-stats
  log stdout format raw local0
  option httplog
  http-request use-service prometheus-exporter if { path /metrics }
  stats uri /stats
  stats admin if { hdr(x-admin) -m found }
  default_backend be
frontend scoped
  bind 127.0.0.1:0
  stats uri /s
  stats scope be
  stats auth u:p:q
backend be
  description "<script>alert(1)</script>"
  stick-table type string size 10 expire 10s store http_req_cnt
  server one 127.0.0.1:1
  server plain 127.0.0.1:1 weight 0
`;

t.setTimeout(60_000);

for (const [name, engine] of [
	['native', nativeEngine],
	['node', nodeEngine],
] as const) {
	t.test(`engine ${name}`, async (t) => {
		const harness = await startHarness(CONFIG, { engine });
		t.teardown(() => harness.close());
		const port = harness.port('st');

		await t.test('names are text in every format', async (t) => {
			const shown = 'a"<b>&\\,x';
			const csv = await request(port, '/stats;csv');
			t.match(csv.body, '\nst,"a""<b>&\\,x",,,', 'quoted in CSV');
			const json = JSON.parse((await request(port, '/stats;json')).body) as { value: { value: unknown } }[][];
			t.equal(json[1]?.[1]?.value.value, shown, 'escaped in JSON');
			const html = (await request(port, '/stats')).body;
			t.match(html, '&lt;b&gt;&amp;\\,x');
			t.notMatch(html, '<b>&');
			t.notMatch(html, '<script>alert');
			const metrics = parseTextFormat((await request(port, '/metrics')).body);
			const listeners = metrics.get('haproxy_listener_status')?.samples ?? [];
			t.equal(listeners[0]?.labels.get('listener'), shown, 'escaped in labels');
			t.equal(metrics.get('haproxy_server_weight')?.samples[1]?.value, 0);
		});

		await t.test('framing', async (t) => {
			const head = await rawClient(port);
			head.send(
				'HEAD /stats HTTP/1.1\r\nHost: x\r\n\r\nGET /stats;csv HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
			);
			const text = await head.when('the end', () => head.ended);
			t.match(text, /^HTTP\/1\.1 200 OK\r\n/);
			t.equal(text.split('HTTP/1.1 200 OK').length, 3, 'HEAD has no body, and the next request its answer');
			t.match(text, /transfer-encoding: chunked\r\n(?:connection: close\r\n)?\r\n[0-9a-f]+\r\n# pxname/);
			t.match(text, /\r\n0\r\n\r\n$/);

			const old = await rawClient(port);
			old.send('GET /stats;csv HTTP/1.0\r\n\r\n');
			const untilClose = await old.when('the end', () => old.ended);
			t.notMatch(untilClose, /transfer-encoding/i);
			t.match(untilClose, /\r\n\r\n# pxname/);
		});

		await t.test('actions', async (t) => {
			const act = async (headers: Record<string, string>, body = 's=plain&action=maint&b=be') =>
				(await request(port, '/stats', { method: 'POST', headers, body })).headers.location;
			t.equal(await act({}), '/stats;st=DENY', 'not allowed');
			t.equal(await act({ 'x-admin': '1' }), '/stats;st=DONE');
			t.match((await request(port, '/stats;csv')).body, /\nbe,plain,.*,MAINT,/);
			t.equal(
				await act({ 'x-admin': '1', origin: 'http://elsewhere.example' }),
				'/stats;st=DENY',
				"another site's page",
			);
			t.equal(await act({ 'x-admin': '1', origin: 'null' }), '/stats;st=DENY');
			t.equal(await act({ 'x-admin': '1', 'sec-fetch-site': 'cross-site' }), '/stats;st=DENY');
			t.equal(await act({ 'x-admin': '1', origin: `http://127.0.0.1:${port}` }), '/stats;st=DONE', 'its own');
			t.equal(await act({ 'x-admin': '1' }, 's=p%6Cain&action=drain&b=%62e'), '/stats;st=DONE', 'names are unescaped');
		});

		await t.test('a form leaves the connection open', async () => {
			const client = await rawClient(port);
			const body = 's=none&action=ready&b=%23x';
			const head = `POST /stats HTTP/1.1\r\nhost: x\r\nx-admin: 1\r\ncontent-length: ${body.length}\r\n\r\n`;
			client.send(head);
			client.send(body);
			await client.when('the answer', (text) => /^HTTP\/1\.1 303 .*\r\n\r\n$/s.test(text));
			client.send('GET /stats;csv;norefresh HTTP/1.1\r\nhost: x\r\n\r\n');
			await client.when('the next', (text) => /HTTP\/1\.1 200 .*\r\n0\r\n\r\n$/s.test(text));
			client.close();
		});

		await t.test('scope and passwords', async (t) => {
			const at = harness.port('scoped');
			t.equal((await request(at, '/s')).status, 401);
			const headers = { authorization: `Basic ${Buffer.from('u:p:q').toString('base64')}` };
			const { status, body } = await request(at, '/s;csv', { headers });
			t.equal(status, 200);
			t.same(
				[
					...new Set(
						body
							.trimEnd()
							.split('\n')
							.slice(1)
							.map((line) => line.split(',')[0]),
					),
				],
				['be'],
				'nothing of other proxies',
			);
		});

		await t.test('live viewers', async (t) => {
			const viewer = await rawClient(port);
			viewer.send('GET /stats;live HTTP/1.1\r\nHost: x\r\n\r\n');
			const first = await viewer.when('the first rows', (received) => received.includes('event: rows'));
			t.match(first, 'content-type: text/event-stream');
			await request(port, '/metrics');
			await viewer.when('changed rows', (received) => received.split('event: rows').length > 2);
			viewer.reset();

			// Those who vanished are forgotten: more than may look at once have looked in the end.
			for (let round = 0; round < 3; round++) {
				const viewers = await Promise.all(Array.from({ length: 30 }, () => rawClient(port)));
				for (const one of viewers) one.send('GET /stats;live HTTP/1.1\r\nHost: x\r\n\r\n');
				for (const one of viewers)
					t.match(await one.when('an answer', (text) => text.includes('\r\n\r\n')), /^HTTP\/1.1 200/);
				const ended = harness.streams.length + viewers.length;
				for (const one of viewers) one.reset();
				await waitFor('the viewers to be gone', () => harness.streams.length >= ended);
			}
		});

		await t.test('logged as services', async (t) => {
			const line = harness.lines.find((one) => one.includes('GET /stats;json'));
			t.match(line, / st st\/<STATS> 0\/0\/0\/0\/\d+ 200 \d+ - - LR-- /);
			t.ok(harness.lines.some((one) => one.includes('st/<PROMEX>')));
		});

		await t.test('a soft stop ends them', async (t) => {
			const viewer = await rawClient(port);
			viewer.send('GET /stats;live HTTP/1.1\r\nHost: x\r\n\r\n');
			await viewer.when('the first rows', (received) => received.includes('event: rows'));
			harness.softStop();
			t.ok(await viewer.when('the last chunk', (received) => received.endsWith('\r\n0\r\n\r\n')));
			viewer.close();
			t.same(harness.errors, []);
		});
	});
}

t.test('a viewer that does not read holds a little, not everything', async (t) => {
	const servers = Array.from({ length: 3000 }, (_, i) => `  server s${i} 127.0.0.1:9`).join('\n');
	const harness = await startHarness(
		`defaults\n mode http\n timeout client 2s\n timeout server 1s\n timeout connect 1s\nfrontend st\n bind 127.0.0.1:0\n stats uri /stats\n default_backend big\nbackend big\n${servers}\n`,
	);
	t.teardown(() => harness.close());
	const lazy = await rawClient(harness.port('st'));
	lazy.socket.pause();
	lazy.send('GET /stats;json HTTP/1.1\r\nHost: x\r\n\r\n');
	const stream = await harness.ended(1);
	t.equal(stream.cause + stream.phase, 'LR', 'intercepted');
	t.ok(stream.responseBodyBytes < 8e6, `${stream.responseBodyBytes} bytes were made, then timeout client ended it`);
	lazy.reset();
});
