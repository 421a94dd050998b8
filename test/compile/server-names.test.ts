import t from 'tap';
import { resolveBindNames } from '../../lib/compile/server-names.js';
import { loadConfiguration } from '../../lib/config/index.js';
import type { ConfigModel } from '../../lib/config/model.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';

function load(bind: string): ConfigModel {
	const content = `frontend f\n  mode http\n  timeout client 1s\n  ${bind}\n  http-request return status 200\n`;
	const readFile = (): string => '';
	const options = { files: [{ path: 'test.cfg', content }], hostName: 'here', cores: 1, readFile };
	const diagnostics = new Diagnostics();
	const model = loadConfiguration(options, diagnostics);
	if (model === undefined) throw new Error(diagnostics.list.map(({ text }) => text).join());
	return model;
}

t.test('names on bind lines become addresses', async (t) => {
	const model = await resolveBindNames(load('bind gate.test:8001,127.0.0.1:8002'), new Diagnostics(), async (host) => {
		t.equal(host, 'gate.test');
		return { address: '10.0.0.7', family: 4 };
	});
	t.same(
		model.proxies[0]?.binds.map(({ address }) => address),
		[
			{ kind: 'ip', address: '10.0.0.7', family: 4, port: 8001 },
			{ kind: 'ip', address: '127.0.0.1', family: 4, port: 8002 },
		],
	);
});

t.test('a name that does not resolve is named with its line', async (t) => {
	const diagnostics = new Diagnostics();
	await resolveBindNames(load('bind nowhere.test:8001'), diagnostics, async () => {
		throw new Error('not found');
	});
	t.match(diagnostics.list, [
		{
			severity: 'alert',
			place: { file: 'test.cfg', line: 4 },
			text: /could not resolve address 'nowhere\.test' \(not found\)/,
		},
	]);
});
