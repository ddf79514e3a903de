-- Public pictures (docs/files.md). What they show lies in the bucket under the
-- token, not sealed: whoever has the link sees it.

CREATE TABLE image (
  account_id ID NOT NULL,
  image_id ID NOT NULL,
  token TEXT NOT NULL,                   -- the link ends with it
  by_actor TEXT NOT NULL,
  state TEXT NOT NULL,                   -- arriving; kept; removed: the link has to say so; dropped: it never was whole
  kind TEXT NOT NULL,                    -- media type, by its content; '' while it arrives
  size INT NOT NULL,                     -- bytes; while it arrives what it may have
  width INT NOT NULL,                    -- pixels
  height INT NOT NULL,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, image_id)
END;
CREATE INDEX image_page ON image (account_id, created_at, image_id);
