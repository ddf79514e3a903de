import { useMutation, useQuery } from '@tanstack/react-query'
import { type DragEvent, useRef, useState } from 'react'
import { Copy } from '../console/copy'
import { all, useActor } from '../console/data'
import { Page, Sorry } from '../console/page'
import { Fact } from '../console/story'
import { api, ok, type Schemas, sendFile } from '../lib/api'
import { Fault, faultOf } from '../lib/fault'
import { count } from '../lib/format'
import { useActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { locale, t } from '../lib/words'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { Field } from '../ui/field'
import { Icon } from '../ui/icon'
import { Progress } from '../ui/progress'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { faultWords, say, sayFault } from '../ui/toast'

type Picture = Schemas['Image']
const again = () => void queries.invalidateQueries({ queryKey: ['images'] })

/** A size as people say it. */
const bytes = (n: number) => new Intl.NumberFormat(locale(), { style: 'unit', unit: n < 1e6 ? 'kilobyte' : 'megabyte', maximumFractionDigits: n < 1e4 || n >= 1e6 ? 1 : 0 }).format(n / (n < 1e6 ? 1e3 : 1e6))

/** The same picture from here: where it has an origin of its own, this address leads there. */
const near = (p: Picture) => new URL(p.url).pathname

/** A file that is on its way, or was not taken. */
interface Way {
  id: number
  file: File
  sent: number
  stop: AbortController
  fault?: Fault
}

/** Pictures that whoever has their link sees. */
export function Pictures() {
  const list = useQuery({ queryKey: ['images'], queryFn: () => all((cursor) => ok(api.GET('/v1/images', { params: { query: { limit: 500, cursor } } }))) })
  const [ways, setWays] = useState<Way[]>([])
  const [over, setOver] = useState(false)
  const [id, open] = useState<string | null>(null)
  const input = useRef<HTMLInputElement>(null)
  const last = useRef(0)
  const change = (id: number, to: Partial<Way>) => setWays((all) => all.map((w) => (w.id === id ? { ...w, ...to } : w)))
  const away = (id: number) => setWays((all) => all.filter((w) => w.id !== id))
  const send = async (w: Way) => {
    try {
      const answer = await sendFile('/v1/images', w.file, {}, w.stop.signal, (sent) => change(w.id, { sent }))
      if (!answer.ok) throw await Fault.of(answer)
      away(w.id)
      say(t('inlet.picture.added'), { kind: 'good' })
    } catch (e) {
      if (w.stop.signal.aborted) away(w.id)
      else change(w.id, { fault: faultOf(e) })
    }
    again()
  }
  // One after the other: a server takes few at once, and draws one.
  const line = useRef(Promise.resolve())
  const take = (files: FileList | null) => {
    const fresh = [...(files ?? [])].map((file) => ({ id: ++last.current, file, sent: 0, stop: new AbortController() }))
    setWays((all) => [...all, ...fresh])
    for (const w of fresh) line.current = line.current.then(() => (w.stop.signal.aborted ? undefined : send(w)))
  }
  const choose = () => input.current?.click()
  const drop = (e: DragEvent) => {
    e.preventDefault()
    setOver(false)
    take(e.dataTransfer.files)
  }
  const hover = (e: DragEvent) => {
    if (!e.dataTransfer.types.includes('Files')) return
    e.preventDefault()
    setOver(true)
  }
  useActs([{ id: 'pictures.new', words: t('inlet.picture.new'), keys: 'n', group: t('console.nav.pictures'), run: choose }])
  const rows = list.data ?? []
  const chosen = rows.find((p) => p.id === id)
  const act = <Button look="primary" icon="plus" onClick={choose}>{t('inlet.picture.new')}</Button>
  return (
    <div className="min-h-dvh" onDragOver={hover} onDragLeave={(e) => !e.currentTarget.contains(e.relatedTarget as Node | null) && setOver(false)} onDrop={drop}>
      <Page title={t('console.nav.pictures')} words={t('inlet.picture.words')} action={act}>
        <input ref={input} id="picture-file" type="file" multiple accept="image/jpeg,image/png,image/webp,image/gif" aria-label={t('inlet.picture.choose')} tabIndex={-1} className="hidden" onChange={(e) => { take(e.target.files); e.target.value = '' }} />
        {over && <p className="mb-5 flex items-center justify-center gap-2 rounded border-2 border-dashed border-accent bg-accent-ground px-4 py-8 font-medium text-accent"><Icon name="image" />{t('inlet.picture.drop')}</p>}
        {ways.length > 0 && <ul className="mb-6 max-w-160 space-y-4">{ways.map((w) => <On key={w.id} w={w} stop={() => { w.stop.abort(); away(w.id) }} />)}</ul>}
        {list.isError && !list.data ? <Sorry error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Rows n={6} /> : rows.length === 0 ? (
          <Empty title={t('inlet.picture.none')} words={<>{t('inlet.picture.noneWords')} {t('inlet.picture.kinds')}</>}><Button look="primary" onClick={choose}>{t('inlet.picture.choose')}</Button></Empty>
        ) : (
          <>
            <p className="mb-4 text-sm text-soft">{t('inlet.picture.kinds')}</p>
            <ul className="grid grid-cols-2 gap-4 md:grid-cols-3 lg:grid-cols-4" aria-label={t('console.nav.pictures')}>
              {rows.map((p) => <Thumb key={p.id} p={p} onOpen={() => open(p.id)} />)}
            </ul>
          </>
        )}
        <Sheet open={!!chosen} onClose={() => open(null)} title={t('inlet.picture.one')}>{chosen && <One key={chosen.id} p={chosen} onGone={() => open(null)} />}</Sheet>
      </Page>
    </div>
  )
}

function On({ w, stop }: { w: Way; stop: () => void }) {
  const name = w.file.name
  if (w.fault) {
    const said = faultWords(w.fault)
    return (
      <li className="flex items-start gap-3">
        <Icon name="warn" className="mt-0.5 size-4 text-lost" />
        <div role="alert" className="min-w-0 flex-1 text-sm"><p dir="auto" className="font-medium break-words">{t('inlet.picture.failed', { name })}</p><p className="text-soft">{Object.values(w.fault.fields)[0] ?? said.words ?? said.title}</p></div>
        <Button look="quiet" onClick={stop}>{t('inlet.picture.dismiss')}</Button>
      </li>
    )
  }
  const whole = w.sent >= w.file.size
  return (
    <li className="flex items-end gap-3">
      <div className="min-w-0 flex-1"><Progress label={t(whole ? 'inlet.picture.looking' : 'inlet.picture.sending', { name })} value={Math.floor(w.sent / 1000)} of={Math.max(1, Math.ceil(w.file.size / 1000))} /></div>
      <Button look="quiet" onClick={stop}>{t('inlet.picture.stop')}</Button>
    </li>
  )
}

const pixels = (p: Picture) => `${count(p.width)} × ${count(p.height)}`

function Thumb({ p, onOpen }: { p: Picture; onOpen: () => void }) {
  return (
    <li className="min-w-0">
      <button type="button" onClick={onOpen} className="group block w-full text-start">
        <span className="sr-only">{t('inlet.picture.one')}</span>
        <span className="flex aspect-4/3 items-center justify-center overflow-hidden rounded border border-line bg-sunken group-hover:border-edge">
          <img src={near(p)} alt="" width={p.width} height={p.height} loading="lazy" decoding="async" className="size-full object-contain" />
        </span>
        <span className="mt-2 flex flex-wrap justify-between gap-x-3 text-sm"><span dir="ltr" className="figures font-medium">{pixels(p)}</span><span className="figures text-soft">{bytes(p.size)}</span></span>
        <span className="block text-sm text-soft"><When at={p.created_at} /></span>
      </button>
    </li>
  )
}

const escaped = (s: string) => s.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;').replace(/>/g, '&gt;')

function One({ p, onGone }: { p: Picture; onGone: () => void }) {
  const [alt, setAlt] = useState('')
  const [asks, ask] = useState(false)
  const by = useActor(!!useMay()('setup:read')) // who may not see who works here sees that it was somebody
  const remove = useMutation({
    mutationFn: () => ok(api.DELETE('/v1/images/{id}', { params: { path: { id: p.id } } })),
    onSuccess: () => { say(t('inlet.picture.removed'), { kind: 'good' }); onGone() },
    onError: sayFault,
    onSettled: again,
  })
  const html = `<img src="${escaped(p.url)}" width="${p.width}" height="${p.height}" alt="${escaped(alt)}">`
  return (
    <div className="space-y-6">
      <a href={near(p)} target="_blank" rel="noreferrer" aria-label={t('inlet.picture.open')} className="flex max-h-80 items-center justify-center overflow-hidden rounded border border-line bg-sunken">
        <img src={near(p)} alt="" width={p.width} height={p.height} className="max-h-80 w-auto object-contain" />
      </a>
      <dl className="space-y-2.5">
        <Fact words={t('inlet.picture.pixels')}><span dir="ltr" className="figures">{pixels(p)}</span></Fact>
        <Fact words={t('inlet.picture.size')}><span className="figures">{bytes(p.size)}</span></Fact>
        <Fact words={t('inlet.picture.kind')}>{p.kind === 'image/png' ? 'PNG' : 'JPEG'}</Fact>
        <Fact words={t('inlet.picture.when')}><When at={p.created_at} /></Fact>
        <Fact words={t('inlet.picture.by')}>{by(p.by)}</Fact>
      </dl>
      <section className="space-y-3">
        <h3 className="text-sm font-semibold">{t('inlet.picture.link')}</h3>
        <p dir="ltr" className="rounded bg-sunken p-3 font-mono text-xs break-all">{p.url}</p>
        <Copy text={p.url} words={t('inlet.picture.copyLink')} />
      </section>
      <section className="space-y-3">
        <h3 className="text-sm font-semibold">{t('inlet.picture.html')}</h3>
        <Field name="alt" label={t('inlet.picture.alt')} help={t('inlet.picture.altHelp')} value={alt} onChange={(e) => setAlt(e.target.value)} maxLength={300} autoComplete="off" />
        <p dir="ltr" className="rounded bg-sunken p-3 font-mono text-xs break-all">{html}</p>
        <Copy text={html} words={t('inlet.picture.copyHTML')} />
      </section>
      <Button look="lost" onClick={() => ask(true)}>{t('inlet.picture.remove')}</Button>
      <Confirm open={asks} onClose={() => ask(false)} title={t('inlet.picture.removeTitle')} words={t('inlet.picture.removeWords')} verb={t('inlet.picture.remove')} busy={remove.isPending} onYes={() => remove.mutate()} />
    </div>
  )
}
