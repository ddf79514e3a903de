import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { Changes } from '../console/changes'
import { Copy } from '../console/copy'
import { all } from '../console/data'
import { Listing } from '../console/listing'
import { Page } from '../console/page'
import { Fact } from '../console/story'
import { api, ok, type Schemas } from '../lib/api'
import { Fault } from '../lib/fault'
import { count } from '../lib/format'
import { useActs } from '../lib/keys'
import { queries } from '../lib/query'
import { t, tOf } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { When } from '../ui/time'
import { formFault, say, sayFault } from '../ui/toast'
import { Kinds } from './kinds'

type Hook = Schemas['Webhook']
type Answer = Schemas['WebhookAnswer']
const again = () => void queries.invalidateQueries({ queryKey: ['webhooks'] })

function State({ w }: { w: Hook }) {
  if (w.state !== 'active') return <Badge tone={w.state === 'gone' ? 'lost' : 'plain'}>{t(`inlet.hook.state.${w.state}`)}</Badge>
  return w.failing_since ? <Badge tone="warm">{t('inlet.hook.state.failing')}</Badge> : <Badge tone="good">{t('inlet.hook.state.active')}</Badge>
}

const Said = ({ status, class: why }: { status: number; class: string }) => (
  <Badge tone={why ? 'lost' : 'good'}>{why ? tOf('inlet.hook.class', why) : t('inlet.hook.taken')}{status > 0 && <span dir="ltr" className="figures"> {status}</span>}</Badge>
)

/** Addresses of the account's own that are told what happens. A secret is shown once. */
export function Webhooks() {
  const list = useQuery({ queryKey: ['webhooks'], queryFn: () => all((cursor) => ok(api.GET('/v1/webhooks', { params: { query: { limit: 500, cursor } } }))), refetchInterval: 10_000 })
  const [making, make] = useState(false)
  const [id, open] = useState<string | null>(null)
  const rows = list.data ?? []
  const chosen = rows.find((w) => w.id === id)
  useActs([{ id: 'webhooks.new', words: t('inlet.hook.new'), keys: 'n', group: t('console.nav.webhooks'), run: () => make(true) }])
  return (
    <Page full title={t('console.nav.webhooks')} words={t('inlet.hook.words')} action={<Button look="primary" icon="plus" onClick={() => make(true)}>{t('inlet.hook.new')}</Button>}>
      <Listing
        query={list}
        rows={rows}
        empty={<Empty title={t('inlet.hook.none')} words={t('inlet.hook.noneWords')}><Button look="primary" onClick={() => make(true)}>{t('inlet.hook.new')}</Button></Empty>}
        keys={{ next: t('inlet.hook.next'), before: t('inlet.hook.before') }}
        label={t('console.nav.webhooks')}
        rowKey={(w) => w.id}
        onOpen={(w) => open(w.id)}
        columns={[
          { id: 'url', width: 'minmax(200px,3fr)', head: t('inlet.hook.address'), cell: (w: Hook) => <><span dir="ltr" className="font-mono text-xs">{w.url}</span>{w.description && <span className="block text-sm text-soft" dir="auto">{w.description}</span>}</> },
          { id: 'state', width: '150px', head: t('console.col.state'), cell: (w: Hook) => <State w={w} /> },
          { id: 'taken', width: '110px', end: true, head: t('inlet.hook.taken'), cell: (w: Hook) => <span className="figures">{count(w.taken)}</span> },
          { id: 'waiting', width: '110px', end: true, head: t('inlet.hook.waiting'), cell: (w: Hook) => <span className="figures">{count(w.waiting)}</span> },
          { id: 'dead', width: '110px', end: true, head: t('inlet.hook.dead'), cell: (w: Hook) => <span className="figures">{count(w.dead)}</span> },
        ]}
      />
      <Sheet open={making} onClose={() => make(false)} title={t('inlet.hook.new')}>{making && <New onClose={() => make(false)} />}</Sheet>
      <Sheet open={!!chosen} onClose={() => open(null)} title={chosen?.description || t('inlet.hook.one')}>{chosen && <One key={chosen.id} w={chosen} onGone={() => open(null)} />}</Sheet>
    </Page>
  )
}

function Secret({ made }: { made: Schemas['NewWebhook'] }) {
  return (
    <div className="rounded bg-good-ground p-4">
      <p className="font-medium">{t('inlet.hook.once')}</p>
      <p dir="ltr" className="my-3 font-mono text-xs break-all">{made.secret || t('inlet.key.shown')}</p>
      {made.secret && <Copy text={made.secret} words={t('inlet.hook.copy')} />}
    </div>
  )
}

/** What somebody says of a webhook. */
function Fields({ w, fault }: { w?: Hook; fault: Fault | null }) {
  const f = fault?.fields ?? {}
  return (
    <>
      <Field name="url" type="url" dir="ltr" label={t('inlet.hook.address')} required defaultValue={w?.url} fault={f.url} placeholder="https://hooks.example.com/catchment" autoComplete="off" />
      <Field name="description" label={t('inlet.hook.description')} defaultValue={w?.description} maxLength={200} fault={f.description} autoComplete="off" />
      <Kinds value={w?.events ?? []} fault={f.events ?? Object.entries(f).find(([k]) => k.startsWith('events.'))?.[1]} />
    </>
  )
}

const said = (form: HTMLFormElement) => {
  const f = new FormData(form)
  return { url: String(f.get('url')).trim(), description: String(f.get('description')).trim(), events: f.getAll('events').map(String) }
}

/** That chosen events are none would mean all of them. */
const noneOf = (form: HTMLFormElement) => (new FormData(form).get('which') === 'some' && !said(form).events.length ? new Fault({ status: 422, code: 'invalid', title: '', errors: [{ field: 'events', code: 'required', detail: t('inlet.hook.chooseOne') }] }) : null)

function New({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<Schemas['NewWebhook'] | null>(null)
  const [fault, fail] = useState<Fault | null>(null)
  const send = useMutation({
    mutationFn: (body: ReturnType<typeof said>) => ok(api.POST('/v1/webhooks', { body })),
    onMutate: () => fail(null),
    onSuccess: (w) => {
      setMade(w)
      again()
    },
    onError: (e) => fail(formFault(e)),
  })
  if (made) return <div className="space-y-4"><Secret made={made} /><Button look="primary" onClick={onClose}>{t('common.close')}</Button></div>
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const none = noneOf(e.currentTarget)
    if (none) return fail(none)
    send.mutate(said(e.currentTarget))
  }
  return (
    <form onSubmit={submit} className="grid gap-4">
      <Fields fault={fault} />
      <div><Button type="submit" look="primary" busy={send.isPending}>{t('inlet.hook.make')}</Button></div>
    </form>
  )
}

function One({ w, onGone }: { w: Hook; onGone: () => void }) {
  const path = { path: { id: w.id } }
  const [made, setMade] = useState<Schemas['NewWebhook'] | null>(null)
  const [answer, setAnswer] = useState<Answer | null>(null)
  const [asks, ask] = useState(false)
  const [fault, fail] = useState<Fault | null>(null)
  const put = useMutation({
    mutationFn: (body: ReturnType<typeof said> & { state?: 'active' | 'paused' }) => ok(api.PUT('/v1/webhooks/{id}', { params: path, body })),
    onMutate: () => fail(null),
    onSuccess: () => say(t('inlet.hook.saved'), { kind: 'good' }),
    onError: (e) => fail(formFault(e)),
    onSettled: again,
  })
  const test = useMutation({ mutationFn: () => ok(api.POST('/v1/webhooks/{id}/test', { params: path })), onSuccess: setAnswer, onError: sayFault })
  const rotate = useMutation({ mutationFn: () => ok(api.POST('/v1/webhooks/{id}/rotate', { params: path })), onSuccess: setMade, onError: sayFault, onSettled: again })
  const remove = useMutation({ mutationFn: () => ok(api.DELETE('/v1/webhooks/{id}', { params: path })), onSuccess: onGone, onError: sayFault, onSettled: again })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const none = noneOf(e.currentTarget)
    if (none) return fail(none)
    put.mutate(said(e.currentTarget))
  }
  const active = w.state === 'active'
  const turn = () => put.mutate({ url: w.url, description: w.description, events: w.events, state: active ? 'paused' : 'active' })
  return (
    <div className="space-y-6">
      <dl className="space-y-2.5">
        <Fact words={t('console.col.state')}><State w={w} /></Fact>
        {w.failing_since && <Fact words={t('inlet.hook.failing')}><When at={w.failing_since} /></Fact>}
        {w.next_try_at && <Fact words={t('inlet.hook.nextTry')}><When at={w.next_try_at} /></Fact>}
        {w.overlap_ends_at && <Fact words={t('inlet.hook.overlap')}><When at={w.overlap_ends_at} /></Fact>}
      </dl>
      <div className="flex flex-wrap gap-2">
        <Button icon="message" busy={test.isPending} onClick={() => test.mutate()}>{t('inlet.hook.test')}</Button>
        <Button busy={put.isPending} onClick={turn}>{t(active ? 'inlet.hook.pause' : 'inlet.hook.resume')}</Button>
        <Button icon="swap" busy={rotate.isPending} onClick={() => rotate.mutate()}>{t('inlet.hook.rotate')}</Button>
      </div>
      {answer && <p role="status" className="text-sm">{t('inlet.hook.tested')} <Said status={answer.status} class={answer.class} /></p>}
      {made && <Secret made={made} />}
      <form onSubmit={submit} className="grid gap-4">
        <Fields w={w} fault={fault} />
        <div><Button type="submit" busy={put.isPending}>{t('inlet.hook.save')}</Button></div>
      </form>
      <section>
        <h3 className="text-sm font-semibold">{t('inlet.hook.recent')}</h3>
        {w.recent.length === 0 ? <p className="text-sm text-soft">{t('inlet.hook.noRecent')}</p> : (
          <ul>
            {w.recent.slice(0, 8).map((a) => (
              <li key={a.message_id + a.at} className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line py-2.5 text-sm">
                <span dir="ltr" className="flex-1 font-mono text-xs">{a.kind}</span>
                <Said status={a.status} class={a.class} />
                <When at={a.at} className="text-soft" />
              </li>
            ))}
          </ul>
        )}
      </section>
      <Missed w={w} />
      <Changes about={w.id} />
      <Button look="lost" onClick={() => ask(true)}>{t('inlet.hook.remove')}</Button>
      <Confirm open={asks} onClose={() => ask(false)} title={t('inlet.hook.removeAsk')} words={t('inlet.hook.removeWords')} verb={t('inlet.hook.remove')} busy={remove.isPending} onYes={() => remove.mutate()} />
    </div>
  )
}

/** What was not taken: what is tried again, and what is dead; one, or all since a time, is sent again. */
function Missed({ w }: { w: Hook }) {
  const [state, show] = useState<'dead' | 'waiting'>('dead')
  const [since, setSince] = useState('1')
  const list = useQuery({
    queryKey: ['webhooks', w.id, state, w.dead, w.waiting],
    queryFn: () => ok(api.GET('/v1/webhooks/{id}/deliveries', { params: { path: { id: w.id }, query: { state, limit: 20 } } })),
    placeholderData: (before) => before,
  })
  const replay = useMutation({
    mutationFn: (body: { since?: string; message_id?: string }) => ok(api.POST('/v1/webhooks/{id}/replay', { params: { path: { id: w.id } }, body })),
    onSuccess: () => say(t('inlet.hook.replayed'), { kind: 'good' }),
    onError: sayFault,
    onSettled: again,
  })
  const rows = list.data?.items ?? []
  const active = w.state === 'active'
  return (
    <section className="space-y-3">
      <h3 className="text-sm font-semibold">{t('inlet.hook.missed')}</h3>
      <Select hideLabel label={t('inlet.hook.missed')} value={state} onChange={show} choices={[{ value: 'dead', label: t('inlet.hook.deadOnes') }, { value: 'waiting', label: t('inlet.hook.waitingOnes') }]} />
      {rows.length === 0 ? <p className="text-sm text-soft">{t('inlet.hook.noneMissed')}</p> : (
        <ul>
          {rows.map((d) => (
            <li key={d.message_id} className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line py-2.5 text-sm">
              <span dir="ltr" className="flex-1 font-mono text-xs">{d.kind}</span>
              <Said status={d.status} class={d.class} />
              <When at={d.happened_at} className="text-soft" />
              {active && <Button look="quiet" busy={replay.isPending} onClick={() => replay.mutate({ message_id: d.message_id })}>{t('inlet.hook.again')}</Button>}
            </li>
          ))}
        </ul>
      )}
      {active && (
        <>
          <Select label={t('inlet.hook.since')} value={since} onChange={setSince} choices={['1', '24', '168', '720'].map((h) => ({ value: h, label: tOf('inlet.hook.sinceOf', h) }))} />
          <Button busy={replay.isPending} onClick={() => replay.mutate({ since: new Date(Date.now() - Number(since) * 3_600_000).toISOString() })}>{t('inlet.hook.replay')}</Button>
        </>
      )}
    </section>
  )
}
