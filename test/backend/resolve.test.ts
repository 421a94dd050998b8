import t from 'tap';
import { type ResolveName, resolveServers, systemResolve } from '../../lib/backend/resolve.js';
import type { ConfigModel } from '../../lib/config/model.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';
import { backendModel, serverModel } from './support.js';

const named = (name: string, host: string, line: number, family?: 4 | 6) =>
	serverModel(name, { address: { kind: 'name', host, family, port: 80 }, place: { file: 'a.cfg', line } });

function model(...servers: ReturnType<typeof serverModel>[]): ConfigModel {
	return { proxies: [backendModel(servers)] } as unknown as ConfigModel;
}

t.test('each name once, per family', async (t) => {
	const asked: string[] = [];
	const resolve: ResolveName = async (host, family) => {
		asked.push(`${host} ${family}`);
		return { address: family === 6 ? '2001:db8::1' : '192.0.2.7', family: family === 6 ? 6 : 4 };
	};
	const diagnostics = new Diagnostics();
	const answers = await resolveServers(
		model(named('s1', 'app', 1), named('s2', 'app', 2), serverModel('s3'), named('s4', 'app', 4, 6)),
		resolve,
		diagnostics,
	);
	t.same(asked, ['app 0', 'app 6']);
	t.same(
		[...(answers.get('app') ?? [])],
		[
			['s1', { address: '192.0.2.7', family: 4 }],
			['s2', { address: '192.0.2.7', family: 4 }],
			['s4', { address: '2001:db8::1', family: 6 }],
		],
	);
	t.equal(diagnostics.errorCount, 0);
});

t.test('every name that fails is named with its line', async (t) => {
	const diagnostics = new Diagnostics();
	const resolve: ResolveName = async (host) => {
		if (host === 'good') return { address: '192.0.2.7', family: 4 };
		throw new Error(`no such host ${host}`);
	};
	const answers = await resolveServers(
		model(named('s1', 'bad', 11), named('s2', 'good', 12), named('s3', 'worse', 13)),
		resolve,
		diagnostics,
	);
	t.same(
		diagnostics.list.map((item) => [item.severity, item.place?.line, item.text]),
		[
			['alert', 11, "'server app/s1' : could not resolve address 'bad' (no such host bad)."],
			['alert', 13, "'server app/s3' : could not resolve address 'worse' (no such host worse)."],
		],
	);
	t.same([...(answers.get('app')?.keys() ?? [])], ['s2']);
});

t.test('the system knows localhost', async (t) => {
	t.same(await systemResolve('localhost', 4), { address: '127.0.0.1', family: 4 });
});
