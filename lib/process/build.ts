/**
 * What `-vv` tells: how the program was built, what it runs on, and every keyword with yes or no. The lines that tools made
 * for HAProxy look for (`TARGET`, `Feature list`, `Available ...`) have HAProxy's form.
 */
import { availableParallelism } from 'node:os';
import { FEATURES } from '../config/index.js';
import { describeKeywords } from './keyword-matrix.js';

/** Lines after the version line of `-vv`, each ended. */
export function describeBuild(): string {
	const { versions } = process;
	const features = [...FEATURES].map(([name, present]) => `${present ? '+' : '-'}${name}`).join(' ');
	return [
		`Running on: Node.js ${versions.node}, V8 ${versions.v8}, libuv ${versions.uv}, OpenSSL ${versions.openssl}, zlib ${versions.zlib}`,
		`Platform: ${process.platform} ${process.arch}, ${availableParallelism()} processors`,
		'Engines: native (default), node (tune.http.engine)',
		'Build options :',
		`  TARGET  = ${process.platform === 'linux' ? 'linux-glibc' : process.platform}`,
		'',
		`Feature list : ${features}`,
		'',
		`Built with multi-threading support (default=${availableParallelism()}).`,
		`Running on OpenSSL version : OpenSSL ${versions.openssl}`,
		'Compression algorithms supported : identity("identity"), deflate("deflate"), raw-deflate("deflate"), gzip("gzip")',
		'',
		'Available multiplexer protocols :',
		'         h2 : mode=HTTP  side=FE|BE',
		'         h1 : mode=HTTP  side=FE|BE',
		'       none : mode=TCP   side=FE|BE',
		'',
		'Available services : prometheus-exporter',
		'',
		'Available filters :',
		...['BWLIM] bwlim-in', 'BWLIM] bwlim-out', 'CACHE] cache', ' COMP] compression'].map((name) => `\t[${name}`),
		describeKeywords(),
	].join('\n');
}
