/** What Holdfast does otherwise than HAProxy on purpose, and limits that a comparison of log lines does not show. */
import t from 'tap';
import { startEchoOrigin } from '../fixtures/echo-origin.js';
import { RawClient, request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(110_000);

const DEFAULTS = `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
`;

async function answerTo(port: number, text: string): Promise<string> {
	const client = await RawClient.connect(port);
	client.send(text);
	await waitFor('the connection to end', () => client.ended);
	client.close();
	return client.received;
}

t.test('option checkcache: a cookie that a cache would keep becomes a 502', async (t) => {
	const origin = await startEchoOrigin('one');
	t.teardown(() => origin.close());
	const program = await startProgram(t, {
		ports: 1,
		config: `${DEFAULTS}
listen l
  bind 127.0.0.1:\${port1}
  option checkcache
  server s 127.0.0.1:${origin.port}
`,
	});
	const status = async (wants: string, method = 'GET') =>
		(await request(program.port(), '/', { method, headers: { 'x-want': wants } })).status;
	const cookie = 'field=Set-Cookie:a=b';
	t.equal(await status(`${cookie} field=Cache-Control:max-age=60`), 502);
	t.equal(await status(`${cookie} field=Cache-Control:private`), 200);
	t.equal(await status(`${cookie} field=Cache-Control:max-age=60`, 'POST'), 200);
	t.equal(await status('field=Cache-Control:max-age=60'), 200, 'no cookie, no danger');
	t.ok(await program.says(/Blocking cacheable cookie in response from instance l, server s/));
});

t.test('an unknown version of HTTP is refused, a dropped connection is reset', async (t) => {
	const program = await startProgram(t, {
		ports: 1,
		config: `${DEFAULTS}
frontend f
  bind 127.0.0.1:\${port1}
  http-request silent-drop if { path /drop }
  http-request return status 200
`,
	});
	t.match(await answerTo(program.port(), 'GET / HTTP/2.5\r\nhost: a\r\n\r\n'), /^HTTP\/1\.1 505 /);
	t.equal(await answerTo(program.port(), 'GET /drop HTTP/1.1\r\nhost: a\r\n\r\n'), '');
});

t.test('rate-limit sessions: who comes too fast waits for the next second', async (t) => {
	const program = await startProgram(t, {
		ports: 1,
		config: `${DEFAULTS}
frontend f
  bind 127.0.0.1:\${port1}
  rate-limit sessions 5
  http-request return status 200
`,
	});
	const began = Date.now();
	const statuses = await Promise.all(
		Array.from({ length: 12 }, () => request(program.port()).then((one) => one.status)),
	);
	t.same(statuses, new Array(12).fill(200), 'all are served in the end');
	t.ok(Date.now() - began > 900, `after ${Date.now() - began} ms`);
});
