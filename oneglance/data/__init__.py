"""Data sets: from files of many formats to records with answers, splits and decoded pictures.

``record``, ``quoting``    one picture and its answers; how messages quote data
``images``                 references to pictures, archives, decoding, the cache of decoded pictures
``parsing``                readers that several formats share: tables, JSON, XML, boxes, names of pictures
``source``, ``sources``    the contract of a format that is read, and its members
``writer``, ``writers``    the contract of a format that is written, and its members; ``convert`` uses both
``merging``                one record per picture, with the answers of all sources
``splitting``              train, validation and test, by group and stratified
``inspection``             checks of the data as a whole, and a first configuration suggested from its columns
``dataset``                all of this for one configuration; ``image_inputs``: pictures that a user names
``synthetic``, ``download``  drawn scenes, and public sets
"""
