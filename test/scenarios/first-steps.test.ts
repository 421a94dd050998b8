/** What a new user does in the first five minutes, with the conf file that ships. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { keptConnection, request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';

/** The conf that ships, on ports of this test. */
const shipped = readFileSync(new URL('../../conf/holdfast.cfg', import.meta.url), 'utf8')
	.replaceAll(':8080', ':${port1}')
	.replaceAll(':8081', ':${port2}')
	.replaceAll(':8082', ':${port3}')
	.replaceAll(':10000', ':${port4}')
	.replaceAll(':8404', ':${port5}');

t.test('two origins in turn, then 429 above twenty requests in ten seconds', async (t) => {
	const program = await startProgram(t, { config: shipped, ports: 5 });
	const answers = [];
	for (let i = 0; i < 25; i++) answers.push(await request(program.port()));
	t.same(
		answers.map(({ status }) => status),
		[...new Array(20).fill(200), ...new Array(5).fill(429)],
	);
	const origins = answers.slice(0, 20).map(({ body }) => /origin (one|two), 127\.0\.0\.1/.exec(body)?.[1]);
	t.same(
		origins,
		Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 'one' : 'two')),
	);
	const lines = await program.logged(25);
	const [first, last] = [lines[0] ?? '', lines[24] ?? ''];
	t.match(
		first,
		/ web origins\/one \d+\/\d+\/\d+\/\d+\/\d+ 200 \d+ - - ---- \d+\/\d+\/\d+\/\d+\/0 0\/0 "GET \/ HTTP\/1\.1"$/,
	);
	t.match(
		last,
		/ web web\/<NOSRV> \d+\/-1\/-1\/-1\/\d+ 429 \d+ - - PR-- \d+\/\d+\/\d+\/\d+\/0 0\/0 "GET \/ HTTP\/1\.1"$/,
	);
});

t.test('refused requests count too, on kept connections as on new ones', async (t) => {
	const program = await startProgram(t, { config: shipped, ports: 5 });
	const agent = keptConnection();
	t.teardown(() => agent.destroy());
	const statuses = [];
	for (let i = 0; i < 22; i++) statuses.push((await request(program.port(), '/', { agent })).status);
	t.same(statuses.slice(18), [200, 200, 429, 429]);
});

t.test('the page and metrics, where the conf file says', async (t) => {
	const program = await startProgram(t, { config: shipped, ports: 5 });
	await request(program.port());
	const page = await request(program.port(5), '/');
	t.equal(page.status, 200);
	t.match(page.body, '<h1>Holdfast');
	t.match((await request(program.port(5), '/metrics')).body, '\nhaproxy_sticktable_used{name="web",type="ip"} 1\n');
});
