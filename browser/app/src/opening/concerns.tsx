import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { type FormEvent, useRef, useState } from 'react'
import { Page, Sorry } from '../console/page'
import { Fact } from '../console/story'
import { api, ok, type Schemas } from '../lib/api'
import { useNow } from '../lib/clock'
import { faultOf } from '../lib/fault'
import { useListKeys } from '../lib/keys'
import { queries } from '../lib/query'
import { useSession } from '../lib/session'
import { t } from '../lib/words'
import { Badge, type Tone } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { TextField } from '../ui/field'
import { Rows } from '../ui/skeleton'
import { Sheet } from '../ui/sheet'
import { Tabs } from '../ui/tabs'
import { Ago, When } from '../ui/time'
import { formFault, say, sayFault } from '../ui/toast'

const here = getRouteApi('/inside/console/platform/reports')
type Concern = Schemas['Concern']
const tones: Record<Concern['state'], Tone> = { new: 'warm', looked: 'accent', answered: 'good', closed: 'plain' }
const key = ['concerns']

/** What strangers sent by the form: the list says how long each has waited, and what it says is read one at a time. */
export function Concerns() {
  const { all, id } = here.useSearch()
  const go = useNavigate()
  const now = useNow(60_000)
  const box = useRef<HTMLUListElement>(null)
  useListKeys(box, { next: t('concern.next'), before: t('concern.before') })
  const list = useInfiniteQuery({
    queryKey: [...key, !!all],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/platform/reports', { params: { query: { open: !all, limit: 50, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
    refetchInterval: 15_000,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  const waiting = list.data?.pages[0]?.waiting ?? 0
  const see = (to: { all?: true; id?: string }) => void go({ to: '/console/platform/reports', search: to, replace: true })
  const shown = rows.find((r) => r.id === id)
  return (
    <Page title={t('concern.title')} words={<>{t('concern.words')}{list.data && <> <span className="font-medium text-ink">{waiting > 0 ? t('concern.waiting', { count: waiting }) : t('concern.allAnswered')}</span></>}</>}>
      <Tabs label={t('concern.title')} className="-mx-3" value={all ? 'all' : 'open'} onChange={(v) => see({ all: v === 'all' ? true : undefined })} tabs={(['open', 'all'] as const).map((value) => ({ value, label: t(`concern.which.${value}`) }))}>
        <div className="px-3">
          {list.isError && !list.data ? <Sorry error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Rows n={4} tall /> : rows.length === 0 ? <Empty title={t('concern.none')} words={t('concern.noneWords')} /> : (
            <ul ref={box}>
              {rows.map((r) => (
                <li key={r.id} className="border-b border-line">
                  <button data-row type="button" onClick={() => see({ all, id: r.id })} className="flex min-h-14 w-full items-center gap-x-5 py-2.5 text-start text-sm hover:bg-hover md:-mx-2 md:w-[calc(100%+16px)] md:px-2">
                    <span className="min-w-0 flex-1">
                      <span className="block font-medium">{t(`concern.kind.${r.kind}`)}</span>
                      <span className="ltr block truncate font-mono text-xs text-faint">{r.id}</span>
                    </span>
                    <Ago at={r.received_at} className={late(r, now) ? 'font-semibold text-warm' : 'text-soft'} />
                    <Badge tone={tones[r.state]}>{t(`concern.state.${r.state}`)}</Badge>
                  </button>
                </li>
              ))}
            </ul>
          )}
          {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
        </div>
      </Tabs>
      <Sheet open={!!shown} onClose={() => see({ all })} title={shown ? t(`concern.kind.${shown.kind}`) : ''}>{shown && <One key={shown.id} r={shown} />}</Sheet>
    </Page>
  )
}

/** What nobody has answered within a day; after three the server's doctor tells of it. */
const late = (r: Concern, now: number) => (r.state === 'new' || r.state === 'looked') && now - Date.parse(r.received_at) > 86_400_000

type Verb = { act: 'open' | 'close' } | { act: 'notes' | 'answers'; text: string }

/** One report. Its texts stay on the server until somebody asks to read them, and leave the page with the sheet. */
function One({ r }: { r: Concern }) {
  const self = useSession()?.user_id
  const [asked, ask] = useState(false)
  const params = { path: { id: r.id } }
  const act = useMutation({
    mutationFn: (v: Verb) => ok('text' in v ? api.POST(`/v1/platform/reports/{id}/${v.act}`, { params, body: { text: v.text } }) : api.POST(`/v1/platform/reports/{id}/${v.act}`, { params })),
    onSuccess: (_, v) => {
      if (v.act !== 'open') say(t(v.act === 'close' ? 'concern.closed' : v.act === 'notes' ? 'concern.kept' : 'concern.answered'), { kind: 'good' })
    },
    onError: (e, v) => ('text' in v ? void formFault(e) : sayFault(e)),
    onSettled: () => {
      ask(false)
      void queries.invalidateQueries({ queryKey: key })
    },
  })
  const [full, keep] = useState<Schemas['OpenConcern'] | null>(null)
  const run = (v: Verb, then?: () => void) => act.mutate(v, { onSuccess: (d) => { keep(d); then?.() } })
  const now = full ?? r
  return (
    <>
      <p className="mb-4"><Badge tone={tones[now.state]}>{t(`concern.state.${now.state}`)}</Badge></p>
      <dl className="space-y-2.5">
        <Fact words={t('concern.received')}><When at={r.received_at} /></Fact>
        {now.gone_at && <Fact words={t('concern.gone')}><When at={now.gone_at} /></Fact>}
        {full?.place && <Fact words={t('concern.place')}><span dir="auto" className="match">{full.place}</span></Fact>}
        {full && <Fact words={t('concern.email')}>{full.email ? <a href={`mailto:${encodeURIComponent(full.email)}`} className="ltr match font-medium text-accent underline underline-offset-4">{full.email}</a> : t('concern.noEmail')}</Fact>}
      </dl>
      {!full ? (
        <div className="mt-6">
          <p className="mb-3 text-sm text-soft">{t('concern.readWords')}</p>
          <Button look="primary" icon="opened" busy={act.isPending} onClick={() => run({ act: 'open' })}>{t('concern.read')}</Button>
        </div>
      ) : (
        <>
          <h3 className="mt-6 mb-1 text-sm font-medium text-soft">{t('concern.message')}</h3>
          <p dir="auto" className="whitespace-pre-wrap wrap-anywhere">{full.message}</p>
          {full.words.length > 0 && (
            <>
              <h3 className="mt-6 text-sm font-medium text-soft">{t('concern.written')}</h3>
              <ul>{full.words.map((w) => (
                <li key={w.at + w.kind} className="border-b border-line py-2.5 text-sm">
                  <span className="text-soft">{t(`concern.wrote.${w.kind}`)} · {w.by === self ? t('concern.you') : <span className="ltr font-mono text-xs">…{w.by.slice(-8)}</span>} · <When at={w.at} /></span>
                  <span dir="auto" className="block whitespace-pre-wrap wrap-anywhere">{w.text}</span>
                </li>
              ))}</ul>
            </>
          )}
          {now.state !== 'closed' && <Writing name="answer" verb={t('concern.send')} busy={act.isPending} fault={act.error} send={(text, then) => run({ act: 'answers', text }, then)} />}
          <Writing name="note" verb={t('concern.keep')} busy={act.isPending} fault={act.error} send={(text, then) => run({ act: 'notes', text }, then)} />
          {now.state !== 'closed' && <Button className="mt-8" look="lost" onClick={() => ask(true)}>{t('concern.close')}</Button>}
        </>
      )}
      <Confirm open={asked} onClose={() => ask(false)} title={t('concern.closeAsk')} words={t('concern.closeWords')} verb={t('concern.close')} busy={act.isPending} onYes={() => run({ act: 'close' })} />
    </>
  )
}

function Writing({ name, verb, busy, fault, send }: { name: 'answer' | 'note'; verb: string; busy: boolean; fault: Error | null; send: (text: string, then: () => void) => void }) {
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const form = e.currentTarget
    send(String(new FormData(form).get('text')), () => form.reset())
  }
  return (
    <form onSubmit={submit} className="mt-6 grid justify-items-start gap-3">
      <TextField name="text" className="w-full" label={t(`concern.${name}`)} help={t(`concern.${name}Help`)} rows={3} maxLength={8000} required fault={fault ? faultOf(fault).fields.text : undefined} />
      <Button type="submit" busy={busy}>{verb}</Button>
    </form>
  )
}
