/** `option external-check` beside HAProxy: the same program, told the same, with the same lines in the log. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const CONFIG = `
global
  external-check
  stats socket \${dir}/admin.sock
  insecure-fork-wanted
  log stdout format short local0
defaults
  log global
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 1s
  option log-health-checks
  # No more than one answer of each server is looked at, and a busy machine may take its time.
  default-server inter 5s
listen own
  bind 127.0.0.1:\${port1}
  option external-check
  external-check command \${dir}/check.sh
  external-check path /usr/bin:/bin
  server good 127.0.0.1:18475 check maxconn 7
  server bad 127.0.0.1:18475 check
  server gone unix@/nowhere.sock check
backend slow
  timeout check 400ms
  option external-check
  external-check command check.sh
  external-check path \${dir}:/usr/bin:/bin
  server slow 127.0.0.1:18475 check
backend none
  option external-check
  external-check command \${dir}/nothing-there
  server s 127.0.0.1:18475 check
`;

const SCRIPT = `#!/bin/sh
dir=$(dirname "$0")
echo "$HAPROXY_SERVER_NAME: $* PATH=$PATH" >> "$dir/told.$HAPROXY_PROXY_NAME.$HAPROXY_SERVER_NAME"
env | grep HAPROXY_ | sort >> "$dir/told.$HAPROXY_PROXY_NAME.$HAPROXY_SERVER_NAME"
[ "$HAPROXY_SERVER_NAME" = bad ] && exit 3
[ "$HAPROXY_SERVER_NAME" = slow ] && exec sleep 30
exit 0
`;

const SERVERS = ['own/good', 'own/bad', 'own/gone', 'slow/slow', 'none/s'];

/** The first line about the check of each server. */
function firstLines(program: Program): (string | undefined)[] {
	return SERVERS.map((server) =>
		program.logLines
			.find((line) => line.includes(`Health check for server ${server} `))
			?.replace(/check duration: \d+ms/, 'T'),
	);
}

t.test('log lines, arguments and environment', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const prepare = (folder: string): void => {
		writeFileSync(join(folder, 'check.sh'), SCRIPT);
		chmodSync(join(folder, 'check.sh'), 0o755);
	};
	const programs = await Promise.all(
		(['haproxy', 'holdfast'] as const).map((program) =>
			startProgram(t, { config: CONFIG, ports: 1, prepare, program }),
		),
	);
	await waitFor('every server to be checked', () =>
		programs.every((program) => firstLines(program).every((line) => line !== undefined)),
	);
	const [theirs, ours] = programs as [Program, Program];
	t.same(firstLines(ours), firstLines(theirs));
	const told = (program: Program, server: string) =>
		readFileSync(join(program.folder, `told.${server.replace('/', '.')}`), 'latin1')
			.split('\n')
			.slice(0, 13)
			.join('\n')
			.replaceAll(program.folder, '(dir)')
			.replaceAll(String(program.port()), 'PORT');
	for (const server of ['own/good', 'own/bad', 'own/gone']) t.equal(told(ours, server), told(theirs, server), server);
});
