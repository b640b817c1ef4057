// BullMQ on Node: the same two programs as benchmarks/peers/child.py, `node bench.js produce|work`,
// with the same lines of JSON and the same tally (see benchmarks/tally.py).
'use strict'
const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const { createRequire } = require('node:module')
// The packages stand in a folder that the harness made.
const load = createRequire(path.join(process.env.BENCH_NODE_HOME, 'package.json'))
const { Queue, Worker } = load('bullmq')
const IORedis = load('ioredis')

const PAYLOAD_BYTES = 100
const connect = () => new IORedis(process.env.BENCH_URL, { maxRetriesPerRequest: null })
const now = () => Number(process.hrtime.bigint()) / 1e9 // CLOCK_MONOTONIC
const payload = (number) => String(number).padStart(8, '0').padEnd(PAYLOAD_BYTES, 'x')
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

// --- worker ---------------------------------------------------------------------------------------

function noter () {
  const file = fs.openSync(process.env.BENCH_TALLY, 'a')
  const every = Number(process.env.BENCH_EVERY)
  let count = 0
  return (number) => {
    count += 1
    if (every !== 1 && count !== 1 && count % every !== 0) return
    const record = Buffer.alloc(24)
    record.writeBigInt64LE(BigInt(process.pid), 0)
    record.writeBigInt64LE(BigInt(every === 1 ? number : count), 8)
    record.writeBigInt64LE(process.hrtime.bigint(), 16)
    fs.writeSync(file, record)
  }
}

function runsOf (number) {
  const data = fs.readFileSync(process.env.BENCH_TALLY)
  let runs = 0
  for (let at = 0; at + 24 <= data.length; at += 24) {
    if (Number(data.readBigInt64LE(at + 8)) === number) runs += 1
  }
  return runs
}

function work () {
  const note = noter()
  const hangs = process.env.BENCH_HANG === '1'
  const lease = Number(process.env.BENCH_LEASE) * 1000
  const options = { connection: connect(), concurrency: 100 }
  if (lease) Object.assign(options, { lockDuration: lease, stalledInterval: lease })
  const run = async (job) => {
    const number = Number(job.data.p.slice(0, 8))
    note(number)
    if (hangs && runsOf(number) === 1) await sleep(600) // its first attempt, which will be killed
    return { ok: true }
  }
  new Worker('bench', run, options).on('error', (error) => console.error(error))
}

// --- producer -------------------------------------------------------------------------------------

async function enqueue (queue, texts) {
  for (const p of texts) await queue.add('bench', { p }, { removeOnComplete: false })
}

async function bulk (queue, texts) {
  const opts = { removeOnComplete: false }
  for (let at = 0; at < texts.length; at += 1000) {
    await queue.addBulk(texts.slice(at, at + 1000).map((p) => ({ name: 'bench', data: { p }, opts })))
  }
}

async function doTask (queue, task) {
  const texts = Array.from({ length: task.count }, (_, i) => payload(task.first + i))
  if (task.do === 'spaced') {
    const submitted = []
    let due = now()
    for (const text of texts) {
      await sleep(Math.max(0, due - now()))
      submitted.push(now())
      await enqueue(queue, [text])
      due += task.gap
    }
    return { submitted }
  }
  const started = now()
  await (task.do === 'bulk' ? bulk : enqueue)(queue, texts)
  return { seconds: now() - started }
}

async function produce () {
  const queue = new Queue('bench', { connection: connect() })
  await queue.waitUntilReady()
  for await (const line of readline.createInterface({ input: process.stdin })) {
    fs.writeSync(1, JSON.stringify(await doTask(queue, JSON.parse(line))) + '\n')
  }
  process.exit(0)
}

if (process.argv[2] === 'work') work()
else produce()
