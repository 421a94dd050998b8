/** Clients that break off in every place. */
import t from 'tap';
import { engineDefaults } from '../fixtures/engines.js';
import { RawClient, request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(110_000);

t.test('clients that break off in every place cost nothing but their own connection', async (t) => {
	const program = await startProgram(t, {
		ports: 2,
		config: `${engineDefaults('native')}
  log stdout format raw local0
  option httplog
frontend f
  bind 127.0.0.1:\${port1}
  default_backend b
backend b
  server up 127.0.0.1:\${port2}
listen up
  bind 127.0.0.1:\${port2}
  no log
  http-request return status 200 content-type text/plain string ${'x'.repeat(1000)}
`,
	});
	const whole = 'POST /p HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
	for (let length = 1; length < whole.length; length++) {
		const client = await RawClient.connect(program.port());
		client.send(whole.slice(0, length));
		if (length % 2 === 0) client.socket.resetAndDestroy();
		else client.close();
	}
	t.equal((await request(program.port())).status, 200);
	await waitFor('one line for each of them', () => program.logLines.length >= whole.length);
	t.equal(program.stderr.includes('exception'), false, 'no exception escaped');
});
