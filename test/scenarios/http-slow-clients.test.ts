/** A thousand slow clients hold nothing but their own connection. */
import t from 'tap';
import { ENGINES, engineDefaults } from '../fixtures/engines.js';
import { RawClient, request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';

t.setTimeout(110_000);

for (const engine of ENGINES) {
	t.test(`${engine}: a thousand slow clients leave at timeout http-request and hold nobody up`, async (t) => {
		const program = await startProgram(t, {
			ports: 1,
			config: `${engineDefaults(engine)}
  timeout http-request 3s
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain string quick
`,
		});
		const clients = await Promise.all(Array.from({ length: 1000 }, () => RawClient.connect(program.port())));
		t.teardown(() => {
			for (const client of clients) client.close();
		});
		const began = Date.now();
		// Half of them say nothing, half a byte now and then, which does not buy them time.
		const dripping = clients.filter((_, index) => index % 2 === 0);
		for (const client of dripping) client.send('GET / HTTP/1.1\r\nhost: x\r\nx-slow: ');
		const drip = setInterval(() => {
			for (const client of dripping) if (!client.ended) client.send('a');
		}, 500);
		t.teardown(() => clearInterval(drip));
		// The others are served all the while.
		let served = 0;
		while (clients.some((client) => !client.ended)) {
			const asked = Date.now();
			t.equal((await request(program.port())).body, 'quick');
			t.ok(Date.now() - asked < 1500, 'answered without waiting for the slow ones');
			served++;
			if (Date.now() - began > 30_000) break;
			await new Promise((resolve) => setTimeout(resolve, 100));
		}
		t.equal(clients.filter((client) => client.ended).length, 1000, 'all have been closed');
		t.ok(served > 5, `${served} requests were served meanwhile`);
		const timedOut = clients.filter((client) => client.received.startsWith('HTTP/1.1 408 '));
		t.equal(timedOut.length, 1000, 'and told why');
	});
}
